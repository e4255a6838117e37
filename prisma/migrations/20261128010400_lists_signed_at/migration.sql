-- Lists are dated back for readers whose clocks are slow; our own timers count from when they were signed.
ALTER TABLE "crls" ADD COLUMN "signed_at" TIMESTAMPTZ(3);
