#!/bin/sh
# Checks vassal.dashboard.json against the types of Grafana's own schema library, by the TypeScript compiler: a field that Grafana
# does not know, a value of a wrong type, a missing one. Needs npm, which gets both from its registry. Grafana itself is in no
# registry, so no one has run.
# Usage: packaging/monitoring/dashboard.sh, from anywhere.
set -eu
cd "$(dirname "$0")/../.."
command -v npm >/dev/null || packaging/install.sh npm
place=target/dashboard
mkdir -p $place
npm install --prefix $place --no-audit --no-fund --silent @grafana/schema@13.2.3 typescript@5.9.3
{
	echo "import { type Dashboard, ThresholdsMode } from '@grafana/schema';"
	echo 'export const dashboard: Dashboard ='
	# An enum of TypeScript takes its members only, and no strings.
	sed 's/"mode": "absolute"/"mode": ThresholdsMode.Absolute/' packaging/monitoring/vassal.dashboard.json
	echo ';'
} >$place/dashboard.ts
cd $place
npx --no-install tsc --noEmit --strict --skipLibCheck --module nodenext --moduleResolution nodenext --target es2022 dashboard.ts
echo "the dashboard is as Grafana's schema has it"
