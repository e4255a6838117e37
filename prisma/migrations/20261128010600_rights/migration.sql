-- Registering an edge has a permission of its own. Keys with a list of permissions that did so keep being able to;
-- keys with a role have what the role has.
UPDATE "api_keys" SET "permissions" = array_append("permissions", 'proxies:write')
WHERE "role" IS NULL AND NOT 'proxies:write' = ANY ("permissions") AND NOT "in_url"
    AND "id" IN (SELECT "key_id" FROM "proxies");
