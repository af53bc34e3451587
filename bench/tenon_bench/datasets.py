"""What several benchmarks need: an organization with datasets."""

from tenon_bench.system import SystemUnderTest

PAGE = 20


def organization(system: SystemUnderTest) -> str:
    """Make an organization of one's own; return its path."""
    return f"/api/orgs/{system.post('/api/orgs', {'name': 'Bench'})['id']}"


def list_of_datasets(system: SystemUnderTest) -> str:
    """Make an organization with a page of datasets; return the URL of that page."""
    path = f"{organization(system)}/datasets"
    for number in range(PAGE):
        body = {"name": f"dataset {number}", "dimensions": ["a", "b"], "measures": ["x"]}
        system.post(path, body)
    return f"{system.url}{path}?page_size={PAGE}"
