#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <sodium.h>

#include "manifests/escape.hpp"
#include "manifests/exit_code.hpp"
#include "manifests/last_words.hpp"
#include "manifests/tool/commands.hpp"
#include "manifests/tool/options.hpp"
#include "manifests/version.hpp"

namespace driftd::manifests::tool {
namespace {

/// Gives the exit code.
using Command = std::function<Result<int>()>;

CLI::App* add(CLI::App& app, const char* name, const char* what, Command& chosen, Command command) {
  CLI::App* sub = app.add_subcommand(name, what);
  sub->callback([&chosen, command = std::move(command)] { chosen = command; });
  return sub;
}

/// A command that does its work or fails.
Command unless_failed(std::function<Result<void>()> command) {
  return [command = std::move(command)]() -> Result<int> {
    const auto done = command();
    if (!done) return done.error();
    return kExitClean;
  };
}

void add_keygen(CLI::App& app, KeygenOptions& options, Command& chosen) {
  CLI::App* sub = add(app, "keygen", "make a key pair for signing releases", chosen,
                      unless_failed([&] { return keygen(options); }));
  sub->add_option("-s,--secret-key", options.secret_key, "file for the secret key")->required()->type_name("FILE");
  sub->add_option("-p,--public-key", options.public_key, "file for the public key")->required()->type_name("FILE");
  CLI::Option* none =
      sub->add_flag("--no-password", options.no_password, "leave the secret key unencrypted (for CI secrets)");
  sub->add_option("--password-env", options.password_variable, "environment variable that holds the password")
      ->excludes(none)
      ->type_name("VAR");
}

void add_build_source(CLI::App* sub, BuildOptions& options) {
  sub->add_option(
         "SOURCE", options.source,
         "what will be deployed (default: .): a directory, a .tar (plain or compressed), a .zip, a .deb, or '-': "
         "a tar stream on standard input")
      ->type_name("");
  sub->add_option("--strip-components", options.strip_components, "leave out the first N components of each path")
      ->type_name("N");
  sub->add_option("--subdir", options.subdir, "list what is below PATH alone (after stripping)")->type_name("PATH");
  sub->add_option("--threads", options.threads, "threads that hash a directory (default: one a core)")
      ->check(CLI::Range(1, 1024))
      ->type_name("N");
  sub->add_flag("--no-progress", options.no_progress, "no progress line, even on a terminal");
}

void add_build_rules(CLI::App* sub, BuildOptions& options) {
  add_repeated(sub, "--link", options.links, "a symlink that the deploy makes", "PATH=TARGET");
  add_repeated(sub, "--generated", options.generated_paths, "a file that the deploy writes: must be there, any content",
               "PATH");
  add_repeated(sub, "--optional", options.optional_paths,
               "may be absent; with any content, where the source does not have it", "PATH");
  const auto set_mode = [&options](const std::string& mode) {
    options.mode = mode == "exact" ? ModePolicy::exact : mode == "none" ? ModePolicy::none : ModePolicy::exec;
  };
  sub->add_option_function<std::string>("--mode", set_mode,
                                        "exec: whether the owner may execute (default); exact: all bits (default for a "
                                        ".deb); none: neither")
      ->check(one_of({"exec", "exact", "none"}))
      ->type_name("exec|exact|none");
  sub->add_option("--owner", options.owner, "USER:GROUP, 'source' (default for a .deb) or 'none' (default)")
      ->type_name("WHO");
  const auto set_digests = [&options](const std::string& list) {
    options.blake3 = list.find("blake3") != std::string::npos;
    options.sha256 = list.find("sha256") != std::string::npos;
  };
  sub->add_option_function<std::string>("--digest", set_digests,
                                        "which digests of the content to record (default: both)")
      ->check(one_of({"sha256,blake3", "blake3,sha256", "sha256", "blake3"}))
      ->type_name("sha256,blake3|sha256|blake3");
}

void add_build(CLI::App& app, BuildOptions& options, Command& chosen) {
  CLI::App* sub = add(app, "build", "list what will be deployed as a release", chosen,
                      unless_failed([&] { return build(options); }));
  add_output(sub, options.output);
  add_build_source(sub, options);
  add_build_rules(sub, options);
  add_header(sub, options.header);
}

void add_sign(CLI::App& app, SignOptions& options, Command& chosen) {
  CLI::App* sub =
      add(app, "sign", "sign a manifest into FILE.minisig", chosen, unless_failed([&] { return sign(options); }));
  sub->add_option("FILE", options.file, "the manifest")->required()->type_name("");
  CLI::Option* file = sub->add_option("-s,--secret-key", options.secret_key, "file with the secret key (or --key-env)")
                          ->type_name("FILE");
  sub->add_option("--key-env", options.key_variable,
                  "environment variable that holds the secret key file's text, or its base64 line alone")
      ->excludes(file)
      ->type_name("VAR");
  sub->add_option("--password-env", options.password_variable, "environment variable that holds the key's password")
      ->type_name("VAR");
}

void add_verify(CLI::App& app, VerifyOptions& options, Command& chosen) {
  CLI::App* sub =
      add(app, "verify", "check a manifest and its signatures", chosen, unless_failed([&] { return verify(options); }));
  add_file(sub, options.file);
  add_trust(sub, options.trust);
}

void add_relabel(CLI::App& app, RelabelOptions& options, Command& chosen) {
  CLI::App* sub = add(app, "relabel", "give the same content a new release and a higher sequence, as for a rollback",
                      chosen, unless_failed([&] { return relabel(options); }));
  add_file(sub, options.file);
  add_output(sub, options.output);
  add_trust(sub, options.trust);
  add_identity(sub, options.identity);
}

void add_show(CLI::App& app, ShowOptions& options, Command& chosen) {
  CLI::App* sub = add(app, "show", "print what a manifest says, without looking at signatures", chosen,
                      unless_failed([&] { return show(options); }));
  add_file(sub, options.file);
  add_json(sub, options.format);
}

void add_diff(CLI::App& app, DiffOptions& options, Command& chosen) {
  CLI::App* sub = add(app, "diff", "compare the content of two manifests: exit code 0 same, 2 differs", chosen,
                      [&]() -> Result<int> {
                        const auto compared = diff(options);
                        if (!compared) return compared.error();
                        return *compared == Comparison::same ? kExitClean : kExitDrift;
                      });
  sub->add_option("OLD", options.before, "a manifest")->required()->type_name("");
  sub->add_option("NEW", options.after, "another one")->required()->type_name("");
  add_json(sub, options.format);
}

void add_export(CLI::App& app, ExportOptions& options, Command& chosen) {
  CLI::App* sub = add(app, "export", "print a manifest in another format, without looking at signatures", chosen,
                      unless_failed([&] { return export_manifest(options); }));
  add_file(sub, options.file);
  add_choice<ExportFormat>(sub, "--format", "for 'sha256sum -c', or JSON as show prints it",
                           {{"sha256sums", ExportFormat::sha256sums}, {"json", ExportFormat::json}},
                           [&options](ExportFormat format) { options.format = format; })
      ->required();
}

void add_import(CLI::App& app, ImportOptions& options, Command& chosen) {
  CLI::App* sub = add(app, "import", "make a manifest of an mtree(5) specification or a list of SHA-256 digests",
                      chosen, unless_failed([&] { return import_list(options); }));
  sub->add_option("FILE", options.file, "the list (default: standard input)")->type_name("");
  add_choice<ImportFormat>(sub, "--format", "what the list is",
                           {{"mtree", ImportFormat::mtree}, {"sha256sums", ImportFormat::sha256sums}},
                           [&options](ImportFormat format) { options.format = format; })
      ->required();
  add_output(sub, options.output);
  add_header(sub, options.header);
  add_choice<bool>(sub, "--mode",
                   "exact: all bits, where the list tells (default); exec: whether the owner may execute",
                   {{"exact", true}, {"exec", false}}, [&options](bool keep) { options.keep_mode = keep; });
  add_choice<bool>(sub, "--owner", "source: as the list tells (default); none: not recorded",
                   {{"source", true}, {"none", false}}, [&options](bool keep) { options.keep_owner = keep; });
}

struct Options {
  KeygenOptions keygen;
  BuildOptions build;
  SignOptions sign;
  VerifyOptions verify;
  RelabelOptions relabel;
  ShowOptions show;
  DiffOptions diff;
  ExportOptions export_to;
  ImportOptions import_from;
};

int fail(const Error& error) {
  std::fprintf(stderr, "driftd-manifest: %s\n", error.message.c_str());
  return error.code == ErrorCode::usage ? kExitUsage : kExitUnknown;
}

/// Nothing where all words are values.
std::optional<std::string> unknown_option(const std::vector<std::string>& words) {
  for (const std::string& word : words) {
    if (word.starts_with('-') && word != "--") return "unknown option " + word.substr(0, word.find('='));
  }
  return std::nullopt;
}

/// Of what no option and no command took, only an option's name is shown: who quotes a variable wrongly puts a secret
/// among the words, since `--key-env $KEY` gives as many as the key file has.
std::string usage_error(const CLI::App& app, const CLI::ParseError& error) {
  const auto rest = app.remaining(true);
  const bool has_extras = dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr;
  const bool misses_something = dynamic_cast<const CLI::RequiredError*>(&error) != nullptr;
  // CLI11 tells what is missing before it looks at what stands in its place.
  if (misses_something && app.get_subcommands().empty()) {
    return rest.empty() ? "a command is missing" : "unknown command '" + rest.front() + "'";
  }
  if (has_extras || misses_something) {
    if (auto unknown = unknown_option(rest)) return *unknown;
  }
  if (!has_extras) return error.what();
  return std::to_string(rest.size()) + " words more than the command takes (are the values quoted?)";
}

/// A result that did not reach its reader whole must not pass for one.
Result<void> flush_output() {
  if (std::fflush(stdout) != 0) return system_error("standard output", errno);
  if (std::ferror(stdout) != 0) return Error{ErrorCode::io, "standard output: could not be written"};
  return {};
}

int run(int argc, char** argv) {
  CLI::App app("Builds, signs and checks release manifests for driftd.", "driftd-manifest");
  app.set_version_flag("--version", std::string("driftd-manifest ") + kVersion);
  app.require_subcommand(1);
  Command chosen;
  Options options;
  add_keygen(app, options.keygen, chosen);
  add_build(app, options.build, chosen);
  add_sign(app, options.sign, chosen);
  add_verify(app, options.verify, chosen);
  add_relabel(app, options.relabel, chosen);
  add_show(app, options.show, chosen);
  add_diff(app, options.diff, chosen);
  add_export(app, options.export_to, chosen);
  add_import(app, options.import_from, chosen);
  refuse_empty_values(app);
  if (const auto empty = option_without_value(argc, argv)) return fail(*empty);
  Result<int> done = kExitClean;
  try {
    app.parse(argc, argv);
    done = chosen();
  } catch (const CLI::Success& success) {
    done = app.exit(success);  // --help and --version
  } catch (const CLI::ParseError& error) {
    std::fprintf(stderr, "driftd-manifest: %s (see driftd-manifest --help)\n", escape(usage_error(app, error)).c_str());
    return kExitUsage;
  }
  if (!done) return fail(done.error());
  if (const auto flushed = flush_output(); !flushed) return fail(flushed.error());
  return *done;
}

}  // namespace
}  // namespace driftd::manifests::tool

int main(int argc, char** argv) {
  driftd::manifests::set_last_words({"driftd-manifest: ", STDERR_FILENO, driftd::manifests::kExitUnknown});
  if (sodium_init() < 0) {
    std::fputs("driftd-manifest: libsodium cannot be initialised\n", stderr);
    return driftd::manifests::kExitUnknown;
  }
  try {
    return driftd::manifests::tool::run(argc, argv);
  } catch (...) {
    driftd::manifests::end_with_last_words();
  }
}
