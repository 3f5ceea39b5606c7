# The tour of script/demo and of README's first screen: sourced or run by bash in an empty folder, offline, with llmops on PATH.
# The model's replies are hand-written fixtures (replies/hand_written.jsonl): no model is asked.
show() {
  printf '$ %s\n' "$1"
  eval "$1" 2>&1
  local code=$?
  [ $code -eq 0 ] || printf '[exit %d]\n' $code
  printf '\n'
}
set +e
export COLUMNS=${COLUMNS:-100}
case ${LC_ALL:-${LANG:-}} in *UTF-8* | *utf8*) ;; *) export LC_ALL=C.UTF-8 ;; esac

printf '# a chain of three components (find, answer, parse); its replies are hand-written fixtures\n'
show "llmops init --template rag"
show "llmops eval run"
printf '# look into one case: every component with its input and output\n'
show "llmops eval show last --case t-16"
printf '# keep it as a version, then change one component: what the change does not touch is reused\n'
show "llmops version commit -m 'first version'"
show "sed -i 's/^Question:/The question:/' prompts/answer.md"
show "llmops eval run --baseline HEAD"
printf '# a stricter suite over the same chain: one gate fails, which is exit 1 for CI\n'
show "llmops eval run strict.eval.yaml"
