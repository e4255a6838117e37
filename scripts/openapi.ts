import { describeApi } from '../test/support/openapi.js';

process.stdout.write(await describeApi());
process.exit(0);
