import type { FastifyReply } from 'fastify';

// Everything comes from here and nothing inline runs: what a package may try to fetch from elsewhere, its logo or a
// validator, stays where it is. Both packages write styles of their own into the page; Redoc searches in a worker that
// it makes from a blob.
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src 'self' data:",
  "connect-src 'self'",
  'worker-src blob:',
  "base-uri 'none'",
  "form-action 'self'",
].join('; ');

export interface Page {
  readonly title: string;
  readonly styles: readonly string[];
  readonly scripts: readonly string[];
}

/** References are relative, so that a page also works behind a proxy that puts a path in front. */
export function sendPage(reply: FastifyReply, { title, styles, scripts }: Page): FastifyReply {
  const html = [
    '<!doctype html>',
    '<html lang="en">',
    '<head>',
    '<meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<title>${title}</title>`,
    '<link rel="icon" type="image/png" href="assets/favicon-32x32.png">',
    ...styles.map((name) => `<link rel="stylesheet" href="assets/${name}">`),
    '</head>',
    '<body>',
    '<div id="page"></div>',
    ...scripts.map((name) => `<script src="assets/${name}"></script>`),
    '</body>',
    '</html>',
    '',
  ].join('\n');
  return reply
    .header('content-security-policy', policy)
    .header('cache-control', 'no-cache')
    .type('text/html; charset=utf-8')
    .send(html);
}
