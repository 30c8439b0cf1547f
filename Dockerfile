# One image for all parties: the command chooses which (`authority serve`, `gateway serve`,
# `node serve --province 51`; anything that `wjf` knows). No secret and no data is in it; both come
# with the container's own volume.
#
#   docker build --tag weijifen:local .
#
# Where no image can be pulled: deploy/base-image.sh makes one, then
#   docker build --build-arg BASE=weijifen-base:bookworm --tag weijifen:local .
ARG BASE=node:26-bookworm-slim

FROM ${BASE} AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# The npm package `node` is installed once as a package of its own and once as node_modules/.bin/node,
# hard-linked; a copied layer would store 150 MB twice.
RUN npm ci --omit=dev --no-audit --loglevel=error && rm -rf node_modules/node/node_modules ~/.npm

FROM ${BASE}
# A fixed id, so that volumes survive rebuilds.
RUN groupadd --gid 10001 wjf && useradd --uid 10001 --gid wjf --home-dir /var/lib/wjf --no-create-home wjf
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY . .
ENV PATH=/app/node_modules/.bin:$PATH \
    WJF_HOME=/var/lib/wjf \
    WJF_BIND=0.0.0.0
# Every party's folder exists and is the service user's, so that a volume mounted there is, too.
RUN node deploy/party-folders.ts && mkdir .compile-cache && chown -R wjf:wjf /var/lib/wjf .compile-cache
USER wjf
# Compiled once here, not in 33 containers at once. Node keeps such a cache per user.
ENV NODE_COMPILE_CACHE=/app/.compile-cache
RUN node --input-type=module --eval \
  'await Promise.all(["consent", "gateway", "province-node"].map((p) => import(`/app/${p}/start.ts`)))'
# `timeout`: the engine leaves a late probe running, and 33 containers' late probes on a busy machine make
# each other later.
HEALTHCHECK --interval=60s --timeout=15s --start-period=120s --retries=3 \
  CMD ["timeout", "--signal=KILL", "12", "node", "deploy/health.ts"]
ENTRYPOINT ["node", "cli/main.ts"]
CMD ["--help"]
