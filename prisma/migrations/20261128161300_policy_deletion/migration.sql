-- A policy is deleted as a whole, with its versions. A version alone still stays as it was written.
-- The version before deletes no policies.
ALTER TABLE "policy_versions" DROP CONSTRAINT "policy_versions_account_name_name_fkey";
ALTER TABLE "policy_versions" ADD CONSTRAINT "policy_versions_account_name_name_fkey" FOREIGN KEY ("account_name", "name") REFERENCES "policies"("account_name", "name") ON DELETE CASCADE ON UPDATE RESTRICT;

CREATE FUNCTION "refuse_lone_delete"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  -- The first trigger is this one, unless the deletion of a policy led here.
  IF pg_trigger_depth() < 2 THEN
    RAISE EXCEPTION 'a version of a policy is deleted with its policy alone';
  END IF;
  RETURN OLD;
END $$;

DROP TRIGGER "policy_versions_written_once" ON "policy_versions";
CREATE TRIGGER "policy_versions_written_once" BEFORE UPDATE ON "policy_versions" FOR EACH ROW EXECUTE FUNCTION "refuse_change"();
CREATE TRIGGER "policy_versions_deleted_together" BEFORE DELETE ON "policy_versions" FOR EACH ROW EXECUTE FUNCTION "refuse_lone_delete"();
