-- runs with: 20261129130000_acme
-- Edges run pipelines: which version is active is in the log.
ALTER TABLE "log_entries" DROP CONSTRAINT "log_entries_type";
ALTER TABLE "log_entries"
    ADD CONSTRAINT "log_entries_type" CHECK ("type" IN ('certificate', 'release', 'thing', 'thing-changed', 'token-family', 'policy', 'segment', 'key', 'issuer', 'token-keys', 'account', 'session', 'person', 'authority', 'command', 'pipeline')) NOT VALID;
