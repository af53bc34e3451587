"""What `doctor` shows to a person."""

from collections.abc import Sequence

from tenon_launcher.doctor.finding import Finding
from tenon_launcher.progress import Screen

COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}
VERDICTS = {
    "ok": "No problems found.",
    "warn": "Nothing prevents it from working; see the warnings.",
    "fail": "Fix what is marked fail.",
}


def report(findings: Sequence[Finding], screen: Screen) -> str:
    width = max(len(finding.subject) for finding in findings)
    lines = [line for finding in findings for line in shown(finding, width, screen)]
    return "\n".join([*lines, "", f"  {VERDICTS[worst(findings)]}"])


def shown(finding: Finding, width: int, screen: Screen) -> list[str]:
    level = screen.paint(f"{finding.level:<4}", COLOURS[finding.level])
    line = f"  {level}  {finding.subject:<{width}}  {finding.text}"
    advice = f"  {'':<4}  {'':<{width}}  → {finding.advice}"
    return [line, advice] if finding.advice else [line]


def worst(findings: Sequence[Finding]) -> str:
    levels = {finding.level for finding in findings}
    return next((level for level in ("fail", "warn") if level in levels), "ok")
