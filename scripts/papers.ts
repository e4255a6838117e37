import { readFileSync, writeFileSync } from 'node:fs';
import { configurationPaper } from './papers/configuration.js';
import { referencePaper } from './papers/reference.js';

writeFileSync('docs/configuration.md', await configurationPaper());
writeFileSync('docs/reference.md', await referencePaper(readFileSync('openapi.yaml', 'utf8')));
