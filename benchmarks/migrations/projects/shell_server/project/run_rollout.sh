#!/usr/bin/env bash
# Starts the server, collects rollouts, trains on them once.
set -euo pipefail
cd "$(dirname "$0")"

source env.sh
PORT=$(python -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
export PORT

bash serve.sh > "$OUT/server.log" 2>&1 &
SERVER=$!
trap 'kill $SERVER 2> /dev/null || true' EXIT

python collect.py --base-url "http://127.0.0.1:$PORT/v1" --server-pid "$SERVER"
python train.py
