// Named points at which a test makes the next write fail or the process die. Configured once at start from
// LLMOPS_FAILPOINT ("ref.before_rename:kill", "db.commit:enospc@3" = the third time; several joined by ','). Without it a
// point costs one relaxed load.
#pragma once

#include <string_view>

#include "core/base/result.h"

namespace llmops {

// Actions: kill (SIGKILL to itself), eio, enospc, pause (200 ms). Errors: an unknown action.
Status configure_failpoints(std::string_view specification);

// 0: go on. Otherwise the errno that the caller must behave as if the system call had returned.
int failpoint(const char* name);

}  // namespace llmops
