#include "daemon/service.hpp"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "daemon/clock.hpp"
#include "daemon/config.hpp"
#include "daemon/control_desk.hpp"
#include "daemon/control_socket.hpp"
#include "daemon/event_sieve.hpp"
#include "daemon/evidence_source.hpp"
#include "daemon/history_store.hpp"
#include "daemon/http_server.hpp"
#include "daemon/log.hpp"
#include "daemon/notify.hpp"
#include "daemon/pages.hpp"
#include "daemon/snapshot.hpp"
#include "daemon/tree_monitor.hpp"
#include "daemon/tree_place.hpp"
#include "daemon/watch_feed.hpp"
#include "daemon/watch_hub.hpp"
#include "daemon/watch_probe.hpp"
#include "daemon/workers.hpp"
#include "manifests/exit_code.hpp"
#include "manifests/version.hpp"
#include "scanner/mount_watcher.hpp"

namespace driftd::daemon {
namespace {

namespace asio = boost::asio;
using manifests::Result;

/// What does not announce itself, as a scan that is overdue, is published this often.
constexpr auto kTick = std::chrono::seconds(1);
/// With trees whose file system does not answer at once, as a disk that has to spin up.
constexpr auto kPatienceWithPlaces = std::chrono::seconds(5);
/// systemd waits longer, but whoever stops a service does not like to.
constexpr auto kStopPatience = std::chrono::milliseconds(1500);

/// From now on these signals are caught until the process has ended, also by nobody: who asks a daemon to stop once
/// more, while the rest is put away, must not end that midway.
void catch_signals_for_good() {
  static auto& context = *new asio::io_context;
  static auto& signals = *new asio::signal_set(context, SIGTERM, SIGINT, SIGHUP);
  (void)signals;
}

/// The composition root: owns everything and wires it together, on the io_context's thread.
class Service {
 public:
  Service(std::string config_file, std::string host, Config config)
      : config_file_(std::move(config_file)),
        host_(std::move(host)),
        workers_(io_),
        store_(StateStore::open(config.state_directory)),
        evidence_(make_evidence_source(config.watch)),
        hub_(config.watch, [this](scanner::WatchBatch batch) { feed_.put(std::move(batch)); }),
        context_{io_,
                 workers_,
                 std::make_shared<scanner::Throttle>(config.limits.periodic_scans),
                 hub_,
                 sieve_,
                 store_,
                 history_,
                 touches_,
                 evidence_.get(),
                 std::make_shared<const Config>(std::move(config)),
                 std::make_shared<const TreePlaces>(),
                 {},
                 [this](const std::string& tree, const TreePlace& place) { on_located(tree, place); },
                 [this] { publish(); },
                 [this](double seconds) { detection_latency_.observe(seconds); }},
        probe_(std::make_shared<WatchProbe>(
            workers_, hub_, context_.config->state_directory,
            WatchProbe::Owner{[this](std::string why) { on_blind(std::move(why)); }, [this] { on_mounts({}); }})),
        http_(io_,
              [this](std::string_view path) {
                const Details details = this->details();
                return details ? detailed_pages_.serve(path, snapshot_, details) : serve_page(path, *snapshot_, {});
              }),
        desk_({monitors_, snapshot_, host_, config_file_, wall_clock()}),
        control_(io_,
                 [this](const ControlRequest& request, const std::shared_ptr<ControlReply>& reply) {
                   publish();
                   desk_.answer(request, reply);
                 }),
        signals_(io_, SIGTERM, SIGINT, SIGHUP),
        tick_(io_),
        watchdog_(io_) {}

  Result<void> start() {
    if (auto listening = http_.listen(context_.config->listen); !listening) return listening;
    watch_mounts();
    reload_time_ = static_cast<double>(wall_clock());
    tell_protection();
    control_.listen(context_.config->run_directory);
    adopt_trees();
    await_signal();
    await_tick();
    await_watchdog();
    notify::ready();
    return {};
  }

  /// Until it is told to stop. False: a file system hangs and some threads with it, so that this object cannot be
  /// destroyed.
  bool run() {
    io_.run();
    return all_ended_;
  }

 private:
  void tell_protection() const {
    const std::string& directory = context_.config->state_directory;
    switch (store_.protection()) {
      case StateStore::Protection::ok: break;
      case StateStore::Protection::fresh:
        spdlog::warn("{}: no state yet; the first release of each tree is taken as it comes", directory);
        break;
      case StateStore::Protection::lost:
        spdlog::error(
            "rollback protection is lost, an older release could pass: {} (put that right and restart, or "
            "begin anew with driftd trust reset)",
            store_.problem());
        break;
    }
  }

  /// Lost is what must not be overlooked, wherever it happened; then that some tree starts from nothing.
  [[nodiscard]] StateStore::Protection protection() const {
    const auto any = [&](auto holds) {
      return std::any_of(monitors_.begin(), monitors_.end(),
                         [&](const auto& one) { return holds(one.second->state().standing()); });
    };
    if (any([](const Standing& standing) { return standing.forgetful.has_value(); })) {
      return StateStore::Protection::lost;
    }
    const bool is_first = any([](const Standing& standing) { return standing.is_first; });
    return store_.protection() == StateStore::Protection::ok && is_first ? StateStore::Protection::fresh
                                                                         : store_.protection();
  }

  /// Monitors for the trees of the configuration. A tree whose lines did not change keeps what is known of it.
  void adopt_trees() {
    std::map<std::string, std::shared_ptr<TreeMonitor>> wanted;
    for (const TreeConfig& tree : context_.config->trees) {
      const auto existing = monitors_.find(tree.name);
      if (existing != monitors_.end() && existing->second->state().config() == tree) {
        existing->second->reload();
        wanted.emplace(tree.name, existing->second);
        continue;
      }
      // Other lines, but the same tree and product: what was accepted goes on counting, even where it is not written.
      const bool is_known =
          existing != monitors_.end() && existing->second->state().config().manifest_name == tree.manifest_name;
      const auto monitor =
          std::make_shared<TreeMonitor>(context_, tree, is_known ? existing->second->last_decision() : Standing{});
      wanted.emplace(tree.name, monitor);
    }
    monitors_.swap(wanted);
    adopt_places(wanted);
    for (const auto& [name, monitor] : wanted) {
      const auto kept = monitors_.find(name);
      if (kept == monitors_.end() || kept->second != monitor) monitor->stop();
    }
    for (const auto& [name, monitor] : monitors_) {
      const auto before = wanted.find(name);
      if (before == wanted.end() || before->second != monitor) monitor->start();
    }
    drop_old_history();
    publish();
  }

  /// Where each tree is: as its threads have found out, or else as it is written.
  void adopt_places(const std::map<std::string, std::shared_ptr<TreeMonitor>>& before) {
    auto places = std::make_shared<TreePlaces>();
    for (const TreeConfig& tree : context_.config->trees) {
      const auto known = context_.places->find(tree.name);
      const auto old = before.find(tree.name);
      const bool is_same = old != before.end() && old->second == monitors_.at(tree.name);
      const bool is_known = is_same && known != context_.places->end();
      places->emplace(tree.name, is_known ? known->second : written_place(tree));
    }
    context_.places = std::move(places);
    context_.places_known_by = Workers::Clock::now() + kPatienceWithPlaces;
  }

  void on_located(const std::string& tree, const TreePlace& place) {
    if (context_.places->at(tree) == place) return;
    auto places = std::make_shared<TreePlaces>(*context_.places);
    places->insert_or_assign(tree, place);
    context_.places = std::move(places);
    for (const auto& [name, monitor] : monitors_) monitor->on_places();
  }

  void drop_old_history() {
    std::vector<std::string> configured;
    for (const TreeConfig& tree : context_.config->trees) configured.push_back(tree.name);
    workers_.record(
        [this, configured](const WorkContext&) {
          auto dropped = history_.drop_old(configured, wall_clock());
          return dropped ? touches_.drop_older(wall_clock() - HistoryStore::kKeepSeconds) : dropped;
        },
        // Whoever writes next has the same trouble, and says so.
        [](const Result<void>&) {});
  }

  void reload() {
    notify::reloading();
    auto config = load_config(config_file_, host_);
    Result<void> listening;
    if (config) listening = http_.listen(config->listen);
    if (!config || !listening) {
      reload_problem_ = config ? listening.error().message : config.error().message;
      spdlog::error("the configuration in force is kept: {}", reload_problem_);
      publish();
    } else {
      reload_problem_.clear();
      reload_time_ = static_cast<double>(wall_clock());
      set_log_level(config->log_level);
      if (config->state_directory != context_.config->state_directory) {
        spdlog::warn("state_directory has changed; that counts from the next restart on");
        config->state_directory = context_.config->state_directory;
      }
      if (config->watch != context_.config->watch) {
        spdlog::warn("watch has changed; that counts from the next restart on");
        config->watch = context_.config->watch;
      }
      context_.config = std::make_shared<const Config>(std::move(*config));
      context_.throttle->set_limits(context_.config->limits.periodic_scans);
      spdlog::info("configuration reloaded: {} trees", context_.config->trees.size());
      control_.listen(context_.config->run_directory);
      adopt_trees();
      probe_->hurry();
    }
    notify::ready();
  }

  void await_signal() {
    signals_.async_wait([this](boost::system::error_code error, int signal) {
      if (error) return;
      if (signal != SIGHUP) return stop();
      reload();
      await_signal();
    });
  }

  void stop() {
    notify::stopping();
    spdlog::info("stopping");
    for (const auto& [name, monitor] : monitors_) monitor->stop();
    http_.stop();
    control_.stop();
    all_ended_ = workers_.stop(kStopPatience);
    if (!all_ended_) spdlog::warn("a file system does not answer; what waits for it is left behind");
    catch_signals_for_good();
    io_.stop();
  }

  void await_tick() {
    tick_.expires_after(kTick);
    tick_.async_wait([this](boost::system::error_code error) {
      if (error) return;
      const auto now = Workers::Clock::now();
      workers_.hand_on_turn(now);
      sieve_.tidy(now);
      control_.keep();
      for (const auto& [name, monitor] : monitors_) monitor->on_tick(now);
      probe_->on_tick(now);
      publish();
      await_tick();
    });
  }

  void await_watchdog() {
    const auto interval = notify::watchdog_interval();
    if (!interval) return;
    notify::watchdog();
    watchdog_.expires_after(*interval / 2);
    watchdog_.async_wait([this](boost::system::error_code error) {
      if (!error) await_watchdog();
    });
  }

  void on_watch(const std::shared_ptr<const scanner::WatchBatch>& batch) {
    if (!batch->failure.empty()) {
      hub_.lost(batch->failure);
      spdlog::error("watching ended: {}; polling from now on", batch->failure);
    }
    probe_->on_batch(*batch);
    for (const auto& [name, monitor] : monitors_) monitor->on_watch(batch);
  }

  /// Nothing says so but that a change was not told.
  void on_blind(std::string why) {
    auto batch = std::make_shared<scanner::WatchBatch>();
    batch->overflow = true;
    batch->failure = std::move(why);
    on_watch(batch);
  }

  /// Without it, what happens to mounts is seen by the next scan.
  void watch_mounts() {
    auto watcher = scanner::MountWatcher::start([this](scanner::MountChanges changes) {
      asio::post(io_, [this, changes = std::move(changes)] { on_mounts(changes); });
    });
    if (watcher) {
      mounts_ = std::move(*watcher);
    } else {
      spdlog::error("mounts are not watched: {}", watcher.error().message);
    }
  }

  void on_mounts(const scanner::MountChanges& changes) {
    if (!changes.failure.empty()) spdlog::error("mounts are not watched any more: {}", changes.failure);
    for (const auto& [name, monitor] : monitors_) monitor->on_mounts(changes);
  }

  /// As the configuration in force has it.
  Details details() {
    if (!context_.config->public_details) return {};
    return [this](std::size_t budget) { return desk_.status(budget); };
  }

  void publish() {
    auto snapshot = std::make_shared<Snapshot>();
    for (const auto& [name, monitor] : monitors_) {
      snapshot->trees.push_back(monitor->snapshot());
    }
    snapshot->protection = protection();
    snapshot->detection_latency = detection_latency_;
    snapshot->reload_problem = reload_problem_;
    snapshot->watch_probe = probe_->results();
    snapshot->reload_success_time = reload_time_;
    snapshot->control_problem = control_.problem();
    snapshot->date_verdicts(*snapshot_, static_cast<double>(wall_clock()));
    snapshot_ = std::move(snapshot);
    const std::string status = status_line(*snapshot_);
    if (status != status_) notify::status(status);
    status_ = status;
    desk_.on_published();
  }

  const std::string config_file_;
  const std::string host_;
  asio::io_context io_{1};
  WatchFeed feed_{io_, [this](const std::shared_ptr<const scanner::WatchBatch>& batch) { on_watch(batch); }};
  Workers workers_;
  StateStore store_;                                    ///< touched in Workers::record only, once the io_context runs
  HistoryStore history_{store_};                        ///< likewise
  TouchStore touches_{store_};                          ///< likewise
  std::unique_ptr<scanner::EvidenceWatcher> evidence_;  ///< may be null
  WatchHub hub_;
  EventSieve sieve_{io_, workers_};
  MonitorContext context_;
  Monitors monitors_;
  std::unique_ptr<scanner::MountWatcher> mounts_;  ///< null: they are not watched
  LatencyHistogram detection_latency_;
  std::shared_ptr<WatchProbe> probe_;
  std::string reload_problem_;  ///< empty: the configuration on disk was taken
  double reload_time_ = 0;
  std::shared_ptr<const Snapshot> snapshot_ = std::make_shared<const Snapshot>();
  std::string status_;
  DetailedPages detailed_pages_;
  bool all_ended_ = true;
  HttpServer http_;
  ControlDesk desk_;
  ControlSocket control_;
  asio::signal_set signals_;
  asio::steady_timer tick_;
  asio::steady_timer watchdog_;
};

}  // namespace

int run_service(const std::string& config_file, const std::string& host) {
  set_up_log();
  auto config = load_config(config_file, host);
  if (!config) {
    spdlog::critical("{}", config.error().message);
    return manifests::kExitUnknown;
  }
  set_log_level(config->log_level);
  spdlog::info("driftd {} starts: {} trees", manifests::kVersion, config->trees.size());
  auto service = std::make_unique<Service>(config_file, host, std::move(*config));
  if (auto started = service->start(); !started) {
    spdlog::critical("{}", started.error().message);
    return manifests::kExitUnknown;
  }
  if (!service->run()) {
    spdlog::shutdown();
    std::_Exit(manifests::kExitClean);
  }
  return manifests::kExitClean;
}

}  // namespace driftd::daemon
