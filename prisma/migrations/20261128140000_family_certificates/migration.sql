-- Revoking ends the refresh families of certificates, and looks for them by serial number.
CREATE INDEX "refresh_families_serial_number_idx" ON "refresh_families"("serial_number");
