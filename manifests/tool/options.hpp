#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "manifests/error.hpp"
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

/// To be called when all options are there: an empty value is refused, which mostly is a variable that is not set in
/// some pipeline, and would switch off silently what the option is for.
void refuse_empty_values(CLI::App& app);

/// The same for `--option=`, where CLI11 takes the next word for the value.
std::optional<Error> option_without_value(int argc, const char* const* argv);

/// Refuses every other word. The help says nothing of it: the option's type names the words.
CLI::Validator one_of(std::vector<std::string> words);

/// One of some words, each of which means a value.
template <class Value>
CLI::Option* add_choice(CLI::App* sub, const char* name, const char* what, std::map<std::string, Value> choices,
                        std::function<void(Value)> choose) {
  std::string type;
  std::vector<std::string> words;
  for (const auto& [word, value] : choices) {
    type += (type.empty() ? "" : "|") + word;
    words.push_back(word);
  }
  const auto parse = [choices, choose = std::move(choose)](const std::string& word) { choose(choices.at(word)); };
  return sub->add_option_function<std::string>(name, parse, what)->check(one_of(words))->type_name(type);
}

}  // namespace driftd::manifests::tool
