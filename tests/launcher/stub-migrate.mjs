process.stdout.write('stub migrations ran\n');
