#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "manifests/tool/commands.hpp"
#include "manifests/tool/identity.hpp"

/// Options that several commands share, so that they are called and explained alike.
namespace driftd::manifests::tool {

/// An option that may be given many times, with one value each.
void add_repeated(CLI::App* sub, const char* name, std::vector<std::string>& values, const char* what,
                  const char* type);
void add_identity(CLI::App* sub, IdentityOptions& options);
void add_header(CLI::App* sub, HeaderOptions& options);
void add_output(CLI::App* sub, std::string& output);
void add_trust(CLI::App* sub, TrustOptions& options);
/// The manifest that the command is about.
void add_file(CLI::App* sub, std::string& file);
void add_json(CLI::App* sub, Format& format);

/// One of some words, each of which means a value.
template <class Value>
CLI::Option* add_choice(CLI::App* sub, const char* name, const char* what, std::map<std::string, Value> choices,
                        std::function<void(Value)> choose) {
  std::string type;
  for (const auto& [word, value] : choices) type += (type.empty() ? "" : "|") + word;
  const auto parse = [choices, choose = std::move(choose)](const std::string& word) { choose(choices.at(word)); };
  return sub->add_option_function<std::string>(name, parse, what)->check(CLI::IsMember(choices))->type_name(type);
}

}  // namespace driftd::manifests::tool
