// The filters' functions, by file; the table is in jinja_filters.cpp. Private to core/text.
#pragma once

#include "core/text/jinja_eval.h"

namespace llmops::jinja {

// jinja_filters_text.cpp
Result<Value> filter_upper(const Call& call);
Result<Value> filter_lower(const Call& call);
Result<Value> filter_title(const Call& call);
Result<Value> filter_capitalize(const Call& call);
Result<Value> filter_trim(const Call& call);
Result<Value> filter_replace(const Call& call);
Result<Value> filter_string(const Call& call);
Result<Value> filter_format(const Call& call);
Result<Value> filter_tojson(const Call& call);

// jinja_filters_layout.cpp
Result<Value> filter_indent(const Call& call);
Result<Value> filter_truncate(const Call& call);
Result<Value> filter_center(const Call& call);
Result<Value> filter_wordcount(const Call& call);
Result<Value> filter_wordwrap(const Call& call);

// jinja_filters_markup.cpp
Result<Value> filter_escape(const Call& call);
Result<Value> filter_forceescape(const Call& call);
Result<Value> filter_safe(const Call& call);
Result<Value> filter_urlencode(const Call& call);
Result<Value> filter_striptags(const Call& call);
Result<Value> filter_xmlattr(const Call& call);

// jinja_filters_number.cpp
Result<Value> filter_abs(const Call& call);
Result<Value> filter_int(const Call& call);
Result<Value> filter_float(const Call& call);
Result<Value> filter_round(const Call& call);
Result<Value> filter_filesizeformat(const Call& call);

// jinja_filters_list.cpp
Result<Value> filter_length(const Call& call);
Result<Value> filter_first(const Call& call);
Result<Value> filter_last(const Call& call);
Result<Value> filter_list(const Call& call);
Result<Value> filter_reverse(const Call& call);
Result<Value> filter_join(const Call& call);
Result<Value> filter_items(const Call& call);
Result<Value> filter_batch(const Call& call);
Result<Value> filter_slice(const Call& call);
Result<Value> filter_attr(const Call& call);

// jinja_filters_select.cpp
Result<Value> filter_map(const Call& call);
Result<Value> filter_select(const Call& call);
Result<Value> filter_reject(const Call& call);
Result<Value> filter_selectattr(const Call& call);
Result<Value> filter_rejectattr(const Call& call);

// jinja_filters_sort.cpp
Result<Value> filter_sort(const Call& call);
Result<Value> filter_unique(const Call& call);
Result<Value> filter_min(const Call& call);
Result<Value> filter_max(const Call& call);
Result<Value> filter_sum(const Call& call);
Result<Value> filter_dictsort(const Call& call);
Result<Value> filter_groupby(const Call& call);

// The subject as a string value: itself, or what it prints.
Result<Value> subject_text(const Call& call);

// The value at "address.city" or "items.0" of an item; undefined steps are an error, an undefined end is not.
Result<Value> value_at(const Call& call, const Value& item, const Value& path, const Value* otherwise = nullptr);

}  // namespace llmops::jinja
