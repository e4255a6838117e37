-- A request that made its change and lost its answer must not be carried out again.
ALTER TABLE idempotency_keys ADD COLUMN made boolean NOT NULL DEFAULT false;
