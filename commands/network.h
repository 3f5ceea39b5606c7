// The network as the settings and variables of a session want it.
#pragma once

#include <memory>

#include "commands/session.h"
#include "core/http/retry.h"

namespace llmops {

// LLMOPS_OFFLINE, the proxy variables, NO_PROXY and SSL_CERT_FILE.
std::unique_ptr<Transport> make_transport(const Session& session);
RetryPolicy retry_policy(const Session& session);

}  // namespace llmops
