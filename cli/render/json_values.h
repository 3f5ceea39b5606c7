// Values that may be unknown, as JSON: null, never 0 and never "".
#pragma once

#include <optional>
#include <string>

#include "commands/monitor/window.h"
#include "core/base/clock.h"
#include "core/base/json.h"

namespace llmops {

template <class T>
Json or_null(const std::optional<T>& value) { return value ? Json(*value) : Json(nullptr); }
inline Json text_or_null(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }
inline Json window_to_json(const TimeWindow& window) { return {{"from", format_utc(window.from_ms)}, {"to", format_utc(window.to_ms)}}; }
inline Json window_to_json(const std::optional<TimeWindow>& window) { return window ? window_to_json(*window) : Json(nullptr); }

}  // namespace llmops
