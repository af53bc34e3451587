-- What is unsafe about a service's schema: a line for each finding, none if all is well.
--
-- A tenant's or person's table says so in its comment, and its policy `of_tenant` or `of_user`
-- says by which column; that column is its owner here. Partitions are reached through their
-- parents alone: they have row level security without a policy, which shows nothing to anybody.
WITH app AS (
    SELECT oid, rolname AS name,
        rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication AS mighty
    FROM pg_roles WHERE rolname = :app_role
),
-- The settings that say whose rows a transaction sees, as PostgreSQL writes them in a policy.
scopes (holds, setting) AS (
    VALUES ('tenant', '(NULLIF(current_setting(''app.org_id''::text, true), ''''::text))::uuid'),
        ('user', '(NULLIF(current_setting(''app.user_id''::text, true), ''''::text))::uuid')
),
relations AS (
    SELECT oid, relname AS name, relkind AS kind, relispartition, relrowsecurity,
        relforcerowsecurity, relowner, reloptions, relacl
    FROM pg_class WHERE relnamespace = to_regnamespace(:schema)
),
policies AS (
    SELECT polrelid AS oid, polname AS name, polcmd AS command, polroles, polpermissive,
        pg_get_expr(polqual, polrelid) AS shows,
        coalesce(pg_get_expr(polwithcheck, polrelid), pg_get_expr(polqual, polrelid)) AS takes
    FROM pg_policy JOIN relations ON relations.oid = polrelid
),
tables AS (
    SELECT
        relations.*,
        substring(obj_description(relations.oid, 'pg_class') FROM '^kind: (tenant|user|global)$')
            AS holds
    FROM relations
    WHERE kind IN ('r', 'p', 'f') AND name <> 'alembic_version'
),
owned AS (
    SELECT tables.*, scopes.setting, attname AS owner, attnum AS owner_number
    FROM tables
    JOIN scopes USING (holds)
    LEFT JOIN policies ON policies.oid = tables.oid AND policies.name = 'of_' || holds
        AND command = '*' AND polpermissive AND polroles = '{0}' AND shows = takes
    LEFT JOIN pg_attribute ON attrelid = tables.oid
        AND shows = format('(%s = %s)', attname, setting)
),
foreign_keys AS (
    SELECT conname AS name, conrelid, confrelid, conkey, confkey
    FROM pg_constraint WHERE contype = 'f'
),
grants AS (
    SELECT relations.name AS what, relowner AS owner, grantee
    FROM relations, aclexplode(relacl)
    UNION
    SELECT format('%s of %s', attname, relations.name), relowner, grantee
    FROM pg_attribute JOIN relations ON relations.oid = attrelid, aclexplode(attacl)
    UNION
    SELECT format('what %s will make', defaclrole::regrole), defaclrole, grantee
    FROM pg_default_acl, aclexplode(defaclacl)
    WHERE defaclnamespace IN (0, to_regnamespace(:schema)) AND defaclobjtype IN ('r', 'S', 'n')
        AND (defaclnamespace <> 0 OR defaclrole =
            (SELECT nspowner FROM pg_namespace WHERE oid = to_regnamespace(:schema)))
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
SELECT format('policy %s of table %s lets others write', policies.name, owned.name)
FROM policies JOIN owned USING (oid)
WHERE policies.name NOT IN ('of_tenant', 'of_user') AND command <> 'r'
UNION ALL
-- A purpose, one's own rows by one's id, or what these rows of another table lead to.
SELECT format('policy %s of table %s shows more than a purpose or a person''s own',
    policies.name, owned.name)
FROM policies JOIN owned USING (oid) CROSS JOIN (SELECT setting FROM scopes WHERE holds = 'user')
    AS person (own_id)
WHERE policies.name NOT IN ('of_tenant', 'of_user') AND command = 'r'
    AND shows !~ '^\(current_setting\(''app\.purpose''::text, true\) = ''[a-z ]+''::text\)$'
    AND regexp_replace(shows, '^\(\w+ = (.*)\)$', '\1') <> own_id
    AND regexp_replace(
        shows, '^\(\w+ IN \( SELECT (\w+)\.\w+\s+FROM [\w.]+\s+WHERE \(\1\.\w+ = (.*)\)\)\)$', '\2'
    ) <> own_id
UNION ALL
SELECT format('policy %s of table %s is a second of its kind', policies.name, owned.name)
FROM policies JOIN owned USING (oid)
WHERE policies.name IN ('of_tenant', 'of_user') AND policies.name <> 'of_' || holds
UNION ALL
SELECT format('unique key %s of table %s does not contain %s', indexrelid::regclass, owned.name,
    owned.owner)
FROM pg_index JOIN owned ON owned.oid = indrelid
WHERE holds = 'tenant' AND (indisunique OR indisexclusion)
    AND owner_number <> ALL ((indkey::int2[])[0:indnkeyatts - 1])
UNION ALL
SELECT format('foreign key %s of table %s does not contain %s', foreign_keys.name, owned.name,
    owned.owner)
FROM foreign_keys JOIN owned ON owned.oid = conrelid
WHERE holds = 'tenant' AND owner_number <> ALL (conkey)
UNION ALL
SELECT format('foreign key %s of table %s leads from one %s to another', foreign_keys.name,
    source.name, target.holds)
FROM foreign_keys
JOIN owned AS source ON source.oid = conrelid
JOIN owned AS target ON target.oid = confrelid
WHERE source.holds = target.holds AND source.owner_number = ANY (conkey)
    AND confkey[array_position(conkey, source.owner_number)] <> target.owner_number
UNION ALL
SELECT format('table %s inherits from %s', inhrelid::regclass, inhparent::regclass)
FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid
WHERE inhparent IN (SELECT oid FROM relations)
    AND (NOT child.relispartition OR child.relnamespace <> to_regnamespace(:schema))
    AND child.relkind IN ('r', 'p', 'f')
UNION ALL
SELECT format('table %s has the rule %s, which acts with the rights of its owner', tables.name,
    rulename)
FROM pg_rewrite JOIN tables ON tables.oid = ev_class
UNION ALL
SELECT format('sequence %s counts over all that are in %s', sequence.oid::regclass, owned.name)
FROM pg_depend JOIN pg_class AS sequence ON sequence.oid = objid AND sequence.relkind = 'S'
JOIN owned ON owned.oid = refobjid
WHERE classid = 'pg_class'::regclass AND deptype IN ('a', 'i')
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
SELECT format('role %s may step past row level security', name) FROM app WHERE mighty
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
UNION ALL
SELECT format('role %s may make schemas', app.name)
FROM app WHERE has_database_privilege(app.oid, current_database(), 'CREATE')
UNION ALL
SELECT format('%s may use %s', CASE grantee WHEN 0 THEN 'everybody' ELSE grantee::regrole::text END,
    what)
FROM grants WHERE grantee NOT IN (owner, coalesce((SELECT oid FROM app), 0)) OR grantee = 0
UNION ALL
-- An application that forgets to say whose rows it wants must see none.
SELECT format('%s is set without a transaction that says so', split_part(line, '=', 1))
FROM pg_db_role_setting, unnest(setconfig) AS set (line)
WHERE (line LIKE 'app.%' OR line LIKE 'row_security=%')
    AND setrole IN (0, (SELECT oid FROM app))
    AND setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
