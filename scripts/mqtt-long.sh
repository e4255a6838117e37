#!/usr/bin/env bash
# What the long forms of the MQTT suites need beside the tools of CI: HiveMQ, its client, and rumqttc. Needs Maven and Cargo.
set -euo pipefail
cd "$(dirname "$0")/.."
tools="$PWD/.ci-tools"
for each in conformance/hivemq mqtt-clients/hivemq-client; do
  mvn -q -B -f "test/support/$each/pom.xml" dependency:copy-dependencies -DoutputDirectory="$tools/${each#*/}"
done
mkdir -p "$tools/bin"
cargo build -q --release --manifest-path test/support/mqtt-clients/rumqttc/Cargo.toml --target-dir "$tools/rumqttc"
cp "$tools/rumqttc/release/client" "$tools/bin/rumqttc-client"
