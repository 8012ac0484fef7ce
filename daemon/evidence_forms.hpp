#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/json/object.hpp>

#include "scanner/evidence.hpp"

/// Evidence as it is shown and kept. Whatever is shown has its control bytes escaped, and for people stands in quotes
/// where its own words could be taken for ours; it never becomes a metric.
namespace driftd::daemon {

/// For a log line: `vim.tiny (pid 4711, /usr/bin/vim.tiny) as root, login alice, pts/0, from 192.0.2.7`, or `unknown`.
std::string evidence_line(const scanner::PathEvidence& evidence);

/// For people: the name and text of each row.
std::vector<std::pair<std::string, std::string>> evidence_rows(const scanner::PathEvidence& evidence);

/// What is not known has no member; `name` and all of the process are absent where nothing is known.
boost::json::object evidence_object(const scanner::PathEvidence& evidence);

/// For the state database. The bytes need not be UTF-8.
std::string stored_evidence(const scanner::PathEvidence& evidence);
/// Nothing where the bytes are not what stored_evidence() gives.
std::optional<scanner::PathEvidence> read_stored_evidence(std::string_view bytes);

}  // namespace driftd::daemon
