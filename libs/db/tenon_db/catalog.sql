-- What is unsafe about a service's schema: a line for each finding, none if all is well.
--
-- A tenant's or person's table says so in its comment, and its policy `of_tenant` or `of_user`
-- says by which column; that column is its owner here. Partitions are reached through their
-- parents alone: they have row level security without a policy, which shows nothing to anybody.
WITH app AS (
    SELECT oid, rolname AS name, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb
    FROM pg_roles WHERE rolname = :app_role
),
relations AS (
    SELECT oid, relname AS name, relkind AS kind, relispartition, relrowsecurity,
        relforcerowsecurity, relowner, reloptions
    FROM pg_class WHERE relnamespace = to_regnamespace(:schema)
),
tables AS (
    SELECT
        relations.*,
        substring(obj_description(relations.oid, 'pg_class') FROM '^kind: (tenant|user|global)$')
            AS holds,
        (
            SELECT substring(
                pg_get_expr(polqual, polrelid)
                FROM '^\((\w+) = \(NULLIF\(current_setting\(''app\.'
            )
            FROM pg_policy WHERE polrelid = relations.oid AND polname IN ('of_tenant', 'of_user')
        ) AS owner
    FROM relations
    WHERE kind IN ('r', 'p') AND name <> 'alembic_version'
),
owned AS (
    SELECT tables.*, pg_attribute.attnum AS owner_number
    FROM tables
    LEFT JOIN pg_attribute ON attrelid = tables.oid AND attname = tables.owner
    WHERE holds IN ('tenant', 'user')
)
SELECT format('table %s is in no catalogue: its migration must call tenant_table, user_table or'
    ' global_table', name) AS finding
FROM tables WHERE holds IS NULL
UNION ALL
SELECT format('table %s does not force row level security', name)
FROM owned WHERE NOT (relrowsecurity AND relforcerowsecurity)
UNION ALL
SELECT format('table %s has no policy that holds it to its %s', name, holds)
FROM owned WHERE owner_number IS NULL AND NOT relispartition
UNION ALL
SELECT format('policy %s of table %s lets others write', polname, owned.name)
FROM pg_policy JOIN owned ON owned.oid = polrelid
WHERE polname NOT IN ('of_tenant', 'of_user') AND polcmd <> 'r'
UNION ALL
SELECT format('unique key %s of table %s does not contain %s', indexrelid::regclass, owned.name,
    owned.owner)
FROM pg_index JOIN owned ON owned.oid = indrelid
WHERE holds = 'tenant' AND indisunique AND owner_number <> ALL (indkey::int2[])
UNION ALL
SELECT format('foreign key %s of table %s does not contain %s', conname, owned.name, owned.owner)
FROM pg_constraint JOIN owned ON owned.oid = conrelid
WHERE holds = 'tenant' AND contype = 'f' AND owner_number <> ALL (conkey)
UNION ALL
SELECT format('view %s reads with the rights of its owner', name)
FROM relations
WHERE kind = 'm'
    OR kind = 'v' AND NOT coalesce('security_invoker=true' = ANY (reloptions), false)
UNION ALL
SELECT format('function %s runs with the rights of its owner, and for everybody or without a'
    ' search_path of its own', pg_proc.oid::regprocedure)
FROM pg_proc
WHERE pronamespace = to_regnamespace(:schema) AND prosecdef
    AND (has_function_privilege('public', pg_proc.oid, 'EXECUTE')
        OR NOT EXISTS (SELECT FROM unnest(proconfig) AS set (line) WHERE line LIKE 'search_path=%'))
UNION ALL
SELECT format('there is no role %s', :app_role) WHERE NOT EXISTS (SELECT FROM app)
UNION ALL
SELECT format('role %s may step past row level security', name)
FROM app WHERE rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb
UNION ALL
SELECT format('role %s is a member of %s', app.name, roleid::regrole)
FROM app JOIN pg_auth_members ON member = app.oid
UNION ALL
SELECT format('role %s owns %s', app.name, relations.name)
FROM app JOIN relations ON relowner = app.oid
UNION ALL
SELECT format('role %s may truncate or refer to %s', app.name, tables.name)
FROM app JOIN tables ON has_table_privilege(app.oid, tables.oid, 'TRUNCATE, REFERENCES, TRIGGER')
UNION ALL
SELECT format('role %s may use schema %s', app.name, nspname)
FROM app JOIN pg_namespace ON has_schema_privilege(app.oid, pg_namespace.oid, 'USAGE, CREATE')
WHERE nspname NOT IN (:schema, 'information_schema') AND nspname NOT LIKE 'pg\_%'
UNION ALL
SELECT format('role %s may make tables', app.name)
FROM app WHERE has_schema_privilege(app.oid, to_regnamespace(:schema), 'CREATE')
