# One image for every process of eventsieve: the command chooses which.
#   node services/gateway/dist/main.js · node services/dedup-worker/dist/main.js · node services/query/dist/main.js
#   node packages/store/dist/migrate-main.js
#
# Base images are pinned by version tag. A digest would pin harder; none is given because none could be looked up where
# this was written: `docker buildx imagetools inspect <image>` prints the one to add.

# The official image has no folder that anybody but root may write to. A new named volume takes owner and mode from the
# folder that it covers, so this one is enough for nats-server to run as an ordinary user.
FROM nats:2.15.2-alpine AS nats
RUN install -d -o 1000 -g 1000 -m 0700 /data
USER 1000:1000

FROM node:24.20.0-slim AS base
WORKDIR /app

FROM base AS build
COPY . .
# No package that is needed here runs an install script. Rooms beside packages/ and services/ are for development: of them
# npm only wants to see the package.json.
RUN --mount=type=cache,target=/root/.npm npm ci --ignore-scripts --workspace packages --workspace services --include-workspace-root
RUN npx --no-install tsc -b packages/* services/*
RUN --mount=type=cache,target=/root/.npm npm ci --ignore-scripts --omit=dev --omit=optional --workspace packages --workspace services
# node_modules links to packages/* and services/*: both stay where they are, less what only the build needs.
RUN find packages services -mindepth 2 -maxdepth 2 ! -name package.json ! -name dist ! -name migrations ! -name node_modules -exec rm -rf {} +

FROM base AS runtime
ENV NODE_ENV=production
COPY LICENSE ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/packages ./packages
COPY --from=build /app/services ./services
USER 1000:1000
