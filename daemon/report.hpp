#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "daemon/check.hpp"
#include "daemon/report_text.hpp"

/// A check's report as text.
namespace driftd::daemon {

/// Takes a report piece by piece, for one of very many paths is larger than all that is known of them.
using Print = std::function<void(std::string_view)>;

/// For people: at a glance, at most 20 findings a tree, names made safe, ends with the next command to type.
std::string human_report(const CheckReport& report, Colour colour);

/// One JSON document, version 1, with a line end; pure ASCII controls, and paths that are not UTF-8 in base64 as well.
void json_report(const CheckReport& report, const Print& print);

enum class RecordEnd : char { newline = '\n', nul = '\0' };

/// A record `KIND TAB CHANGES TAB PATH` for each path that is not clean, and for each problem; nothing, and only then,
/// where all is clean. PATH is absolute, so that a record tells it without its neighbours; with `nul` it is raw bytes.
void porcelain_report(const CheckReport& report, RecordEnd end, const Print& print);

/// What a plugin of Nagios and its kin prints (Monitoring Plugins Development Guidelines), and exits with.
std::string nagios_report(const CheckReport& report);
std::string nagios_failure(const std::string& message);
int nagios_exit_code(Verdict verdict);

/// `driftd explain`: what is known of the one path that was asked for, in each tree, and why that is the verdict.
std::string explanation(const CheckReport& report, Colour colour);

}  // namespace driftd::daemon
