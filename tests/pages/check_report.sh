#!/usr/bin/env bash
# The page of `llmops monitor report` in a browser without a screen: check_report.sh LLMOPS [FOLDER]. Makes the month of examples/month, one report, and loads it at widths of 1200 and 400 pixels, light and dark.
# Fails on messages of the console (a request for anything is one, by the page's own policy), on a page wider than its window, missing sections, plots of no height, and texts of users that became markup. FOLDER keeps pictures.
set -euo pipefail
llmops=$(realpath "$1")
pictures=${2:+$(realpath "$2")}
examples=$(realpath "$(dirname "$0")/../../examples/month")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/month" && cp "$examples/llmops.yaml" "$work/month/" && cd "$work/month"
sh "$examples/generate.sh" > month.jsonl
printf '%s\n' '{"id": "markup", "ts": "2026-10-30T10:00:00Z", "route": "orders", "input": "<script>document.title = 1</script><img src=x onerror=alert(1)> after the chargeback", "output": "no", "latency_ms": 700}' >> month.jsonl
printf '%s\n' "{\"id\": \"long\", \"ts\": \"2026-10-30T11:00:00Z\", \"route\": \"orders\", \"input\": \"$(printf 'chargeback%.0s' $(seq 400))\", \"output\": \"no\", \"latency_ms\": 700}" >> month.jsonl
"$llmops" monitor ingest month.jsonl >/dev/null
"$llmops" monitor watch --until 2026-10-31 >/dev/null || [ $? = 1 ]      # alarms are told by 1
"$llmops" monitor report -o report.html --until 2026-10-31
"$llmops" monitor report -o again.html --until 2026-10-31 >/dev/null
cmp report.html again.html

# The page in a frame of the width: a window itself cannot be as narrow as 400 pixels.
for width in 1200 400; do
  cat > "frame$width.html" <<HTML
<!doctype html><html lang="en"><link rel="icon" href="data:,"><title>frame</title><body style="margin:0"><iframe src="report.html" style="border:0;width:${width}px;height:9000px"></iframe><pre id="found"></pre><script>
addEventListener('load', () => {
  const page = document.querySelector('iframe').contentDocument, found = [];
  found.push('wide ' + (page.documentElement.scrollWidth > $width ? page.documentElement.scrollWidth : 'no'));
  found.push('dark ' + (matchMedia('(prefers-color-scheme: dark)').matches ? 'yes' : 'no'), 'background ' + getComputedStyle(page.body).backgroundColor.replaceAll(' ', ''));
  found.push('missing ' + (['verdicts', 'timeline', 'drift', 'distributions', 'health', 'measured'].filter(id => !page.getElementById(id) || page.getElementById(id).getBoundingClientRect().height < 40).join(',') || 'none'));
  const plots = [...page.querySelectorAll('svg')];
  found.push('plots ' + plots.length, 'flat ' + plots.filter(plot => plot.getBoundingClientRect().height < 30).length, 'markup ' + page.querySelectorAll('script,img,iframe,object,link[rel=stylesheet]').length);
  // Of tables, what is cut off can be scrolled to; nothing else may reach past the window.
  found.push('beyond ' + ([...page.querySelectorAll('body *')].filter(one => !one.closest('.scroll') && !one.closest('svg') && one.getBoundingClientRect().right > $width + 1).map(one => one.tagName).join(',') || 'none'));
  document.getElementById('found').textContent = found.join('\n') + '\n';
});
</script></body></html>
HTML
done

failed=0
browse() { timeout 120 chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --no-first-run --user-data-dir="$work/profile" --allow-file-access-from-files --enable-logging=stderr --virtual-time-budget=5000 "$@"; }
expect() { grep -qx -- "$1" "$found" || { printf '%s px, %s: expected "%s"\n' "$width" "$scheme" "$1" >&2; failed=1; }; }
for width in 1200 400; do
  for scheme in light dark; do
    number=$([ $scheme = dark ] && echo 0 || echo 1)
    found=$work/found
    browse --blink-settings=preferredColorScheme=$number --window-size=$((width + 200)),1200 --dump-dom "file://$PWD/frame$width.html" 2>"$work/log" | sed -n '/<pre id="found">/,/<\/pre>/p' | sed 's/.*<pre id="found">//; s/<\/pre>.*//' > "$found"
    if grep -q CONSOLE "$work/log"; then
      grep CONSOLE "$work/log" >&2
      failed=1
    fi
    expect "wide no"
    expect "missing none"
    expect "flat 0"
    expect "markup 0"
    expect "beyond none"
    expect "dark $([ $scheme = dark ] && echo yes || echo no)"
    expect "background rgb($([ $scheme = dark ] && echo 21,24,27 || echo 255,255,255))"
    awk '$1 == "plots" && $2 >= 10 { ok = 1 } END { exit !ok }' "$found" || { echo "$width px, $scheme: fewer than 10 plots" >&2; failed=1; }
    if [ -n "$pictures" ]; then browse --blink-settings=preferredColorScheme=$number --window-size="$width",6000 --screenshot="$pictures/report-$width-$scheme.png" "file://$PWD/frame$width.html" 2>/dev/null; fi
  done
done
grep -q "Content-Security-Policy\" content=\"default-src 'none'" report.html || { echo "the page forbids no requests" >&2; failed=1; }
[ "$(stat -c %s report.html)" -lt 1000000 ] || { echo "the page is larger than 1 MB" >&2; failed=1; }
[ $failed = 0 ] && echo "the report is whole at 1200 and 400 px, light and dark"
exit $failed
