#!/usr/bin/env node
// A file that is here before anything is built, so that npm can link to it and make it executable.
import '../dist/main.js';
