//! The machine that a recording is made on.

use std::fs;

use rustix::thread::sched_getaffinity;

use crate::model::Meta;

fn first_line(path: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().next().unwrap_or_default().to_owned()
}

/// Fills in what is known of the machine.
pub fn describe(meta: &mut Meta) {
    meta.host = first_line("/proc/sys/kernel/hostname");
    let release = first_line("/proc/sys/kernel/osrelease");
    meta.system = format!("Linux {release} {}", std::env::consts::ARCH);
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    meta.cpu = model
        .and_then(|rest| rest.split_once(':'))
        .map_or(String::new(), |(_, name)| name.trim().to_owned());
    meta.target_cpus = target_cpus();
}

/// How many CPUs a process started from here may use: those it may run on, or the share of time that its
/// cgroup has, whichever is less.
fn target_cpus() -> f64 {
    let allowed = sched_getaffinity(None).map_or(1, |set| set.count());
    let allowed = f64::from(allowed.max(1));
    let quota = cgroup_quota().unwrap_or(f64::INFINITY);
    allowed.min(quota)
}

/// The least quota on the way from the process's cgroup to the root, in CPUs.
fn cgroup_quota() -> Option<f64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    let mut least: Option<f64> = None;
    let mut path = path.trim_matches('/');
    loop {
        let limit = first_line(&format!("/sys/fs/cgroup/{path}/cpu.max"));
        let quota = limit.split_once(' ').and_then(|(quota, period)| {
            Some(quota.parse::<f64>().ok()? / period.parse::<f64>().ok()?)
        });
        if let Some(quota) = quota.filter(|q| *q > 0.0) {
            least = Some(least.map_or(quota, |l| l.min(quota)));
        }
        if path.is_empty() {
            return least;
        }
        path = path.rsplit_once('/').map_or("", |(outer, _)| outer);
    }
}
