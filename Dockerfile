# Two stages: the package is made by the steps of CI, then installed with exactly the dependencies that were tested.
FROM node:24-bookworm-slim AS build
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
COPY console/package.json console/
RUN npm ci --no-audit --no-fund
COPY prisma.config.ts tsconfig.json tsconfig.build.json openapi.yaml README.md LICENSE ./
COPY prisma prisma
COPY scripts scripts
COPY src src
COPY console console
RUN npm pack --ignore-scripts=false && mkdir /package && tar -xzf thingward-*.tgz -C /package --strip-components=1
# npm wants the lock file to name what package.json does, and the package has neither tools nor workspaces.
RUN cd /package && npm pkg delete devDependencies workspaces && npm ci --omit=dev --no-audit --no-fund

FROM node:24-bookworm-slim
ENV NODE_ENV=production THINGWARD_HOST=0.0.0.0 THINGWARD_DATA_DIR=/data
COPY --from=build /package /app
RUN ln -s /app/dist/main.js /usr/local/bin/thingward && mkdir /data && chown node:node /data
WORKDIR /data
USER node
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 CMD ["node", "-e", "fetch('http://127.0.0.1:8080/healthz').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "--max-semi-space-size=16", "/app/dist/main.js", "serve"]
