-- Figures of each account by the minute, kept for a day. A row without a label is the whole; others say how much of it an edge or a reason has.
CREATE TABLE "figures" (
    "account_name" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "minute" TIMESTAMPTZ(3) NOT NULL,
    "label" TEXT NOT NULL DEFAULT '',
    "value" DOUBLE PRECISION NOT NULL,
    CONSTRAINT "figures_pkey" PRIMARY KEY ("account_name", "name", "minute", "label"),
    CONSTRAINT "figures_account_name_fkey" FOREIGN KEY ("account_name") REFERENCES "accounts"("name") ON DELETE RESTRICT ON UPDATE RESTRICT,
    CONSTRAINT "figures_bounded" CHECK (length("name") <= 64 AND length("label") <= 128)
);
CREATE INDEX "figures_minute_idx" ON "figures"("minute");

-- Work that one instance does at a time. Whoever has it renews its hold; after the end of the hold another takes it.
CREATE TABLE "duties" (
    "name" TEXT NOT NULL,
    "holder" UUID NOT NULL,
    "held_until" TIMESTAMPTZ(3) NOT NULL,
    "done_at" TIMESTAMPTZ(3),
    CONSTRAINT "duties_pkey" PRIMARY KEY ("name")
);
