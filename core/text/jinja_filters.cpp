// The table of filters. A row enters with its parameters as Jinja names them and a golden against jinja2 in the tests.
// Left out on purpose: random (unseeded), urlize, pprint.
#include "core/text/jinja_filters.h"

namespace llmops::jinja {

namespace {

Result<Value> keep_defined(const Call& call) {   // default() as a name for map(): the evaluator runs {{ x | default }} itself
  LLMOPS_ASSIGN(const bool also_false, flag_argument(call, 1, false));
  if (!call.subject.is(Kind::kUndefined) && (!also_false || truth(call.subject))) return call.subject;
  return call[0] ? *call[0] : Value::view("");
}

constexpr Callable kFilters[] = {
    {"abs", filter_abs},
    {"attr", filter_attr, {"name"}, 1},
    {"batch", filter_batch, {"linecount", "fill_with"}, 1},
    {"capitalize", filter_capitalize},
    {"center", filter_center, {"width"}},
    {"count", filter_length},
    {"d", keep_defined, {"default_value", "boolean"}, 0, true},
    {"default", keep_defined, {"default_value", "boolean"}, 0, true},
    {"dictsort", filter_dictsort, {"case_sensitive", "by", "reverse"}},
    {"e", filter_escape},
    {"escape", filter_escape},
    {"filesizeformat", filter_filesizeformat, {"binary"}},
    {"first", filter_first},
    {"float", filter_float, {"default"}},
    {"forceescape", filter_forceescape},
    {"format", filter_format, {"..."}},
    {"groupby", filter_groupby, {"attribute", "default", "case_sensitive"}, 1},
    {"indent", filter_indent, {"width", "first", "blank"}},
    {"int", filter_int, {"default", "base"}},
    {"items", filter_items},
    {"join", filter_join, {"d", "attribute"}},
    {"last", filter_last},
    {"length", filter_length},
    {"list", filter_list},
    {"lower", filter_lower},
    {"map", filter_map, {"..."}},
    {"max", filter_max, {"case_sensitive", "attribute"}},
    {"min", filter_min, {"case_sensitive", "attribute"}},
    {"reject", filter_reject, {"..."}},
    {"rejectattr", filter_rejectattr, {"..."}},
    {"replace", filter_replace, {"old", "new", "count"}, 2},
    {"reverse", filter_reverse},
    {"round", filter_round, {"precision", "method"}},
    {"safe", filter_safe},
    {"select", filter_select, {"..."}},
    {"selectattr", filter_selectattr, {"..."}},
    {"slice", filter_slice, {"slices", "fill_with"}, 1},
    {"sort", filter_sort, {"reverse", "case_sensitive", "attribute"}},
    {"string", filter_string},
    {"striptags", filter_striptags},
    {"sum", filter_sum, {"attribute", "start"}},
    {"title", filter_title},
    {"tojson", filter_tojson, {"indent", "ensure_ascii", "separators", "sort_keys"}},
    {"trim", filter_trim, {"chars"}},
    {"truncate", filter_truncate, {"length", "killwords", "end", "leeway"}},
    {"unique", filter_unique, {"case_sensitive", "attribute"}},
    {"upper", filter_upper},
    {"urlencode", filter_urlencode},
    {"wordcount", filter_wordcount},
    {"wordwrap", filter_wordwrap, {"width", "break_long_words", "wrapstring", "break_on_hyphens"}},
    {"xmlattr", filter_xmlattr, {"autospace"}},
};

}  // namespace

std::span<const Callable> filters() { return kFilters; }

}  // namespace llmops::jinja
