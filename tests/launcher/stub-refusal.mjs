process.stderr.write('stub: BATCH_SIZE is "many", but must be a whole number.\n');
process.exit(1);
