import { discard } from '../dead-letters/discard.js';
import { list } from '../dead-letters/list.js';
import { redrive } from '../dead-letters/redrive.js';
import { show } from '../dead-letters/show.js';
import { defineGroup } from '../dispatch.js';

export const deadLetters = defineGroup('dead-letters', 'list, show, redrive or discard what could not be stored', [
  list,
  show,
  redrive,
  discard,
]);
