import { failure, internal, type Paths, type Response } from './parts.js';

const noParameters = failure('There are no parameters here.');
const page: Readonly<Record<string, Response>> = {
  200: { description: 'The page.', content: { 'text/html': { schema: { type: 'string' } } } },
  400: noParameters,
  500: internal,
};

export const pagePaths: Paths = {
  '/openapi.json': {
    get: {
      operationId: 'getOpenApi',
      tags: ['documentation'],
      summary: 'This document',
      responses: {
        200: { description: 'OpenAPI 3.1.', content: { 'application/json': { schema: { type: 'object' } } } },
        400: noParameters,
        500: internal,
      },
    },
  },
  '/docs': {
    get: {
      operationId: 'getSwaggerUi',
      tags: ['documentation'],
      summary: 'This document, to try out (Swagger UI)',
      responses: page,
    },
  },
  '/redoc': {
    get: {
      operationId: 'getRedoc',
      tags: ['documentation'],
      summary: 'This document, to read (Redoc)',
      responses: page,
    },
  },
  '/assets/{name}': {
    get: {
      operationId: 'getAsset',
      tags: ['documentation'],
      summary: 'What the two pages load',
      parameters: [
        { name: 'name', in: 'path', required: true, description: 'A file name.', schema: { type: 'string' } },
      ],
      responses: {
        200: { description: 'The file.' },
        304: { description: 'The file is the one that If-None-Match names.' },
        404: failure('No page loads this.'),
        500: internal,
      },
    },
  },
};
