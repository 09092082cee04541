#!/bin/sh
# Makes echarts.js again: what the report draws with (sankey, bars, lines, heat maps as SVG), in one script.
# It needs node and npm. Compare the licences of a new version with LICENSE and NOTICE beside this file.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$here/entry.js" "$work"
cd "$work"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund --no-package-lock echarts@6.1.0 zrender@6.1.0 tslib@2.3.0 esbuild@0.28.2
node node_modules/esbuild/install.js
{
  echo '/* Apache ECharts 6.1.0, Apache-2.0; with zrender (BSD-3-Clause), d3 (BSD-3-Clause), tslib (0BSD): see LICENSE. */'
  node_modules/.bin/esbuild entry.js --bundle --minify --format=iife --global-name=echarts --target=es2020 \
    --charset=ascii --legal-comments=none
} >"$here/echarts.js"
wc -c "$here/echarts.js"
