"""A Slurm of one node, for tests: the daemons of Debian's packages, on ports and in a folder of their own."""

import getpass
import os
import platform
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

BINARIES = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol")

CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.sock,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SlurmdParameters=config_overrides
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,sched_min_interval=0,batch_sched_delay=0,bf_interval=1
MaxArraySize=4
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""
"""Without accounting, as the least of sites. A job that is queued again waits cred_expire seconds, not two minutes."""


def missing() -> list[str]:
    """What Slurm needs and this machine lacks."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    return [name for name in BINARIES if shutil.which(name, path=path) is None]


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class Cluster:
    """The daemons, and what tests do to jobs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.daemons: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Start all three, and wait until the node takes jobs."""
        folder, host = self.folder, platform.node().split(".")[0]
        (folder / "state").mkdir()
        (folder / "spool").mkdir()
        key = folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        configuration = folder / "slurm.conf"
        configuration.write_text(
            CONFIGURATION.format(host=host, user=getpass.getuser(), folder=folder, ports=free_ports(2))
        )
        os.environ["SLURM_CONF"] = str(configuration)
        files = {
            option: folder / f"munge.{option}"
            for option in ("socket", "key-file", "pid-file", "log-file", "seed-file")
        }
        files |= {"socket": folder / "munge.sock", "key-file": key}
        self.run(
            "munged", "--foreground", "--force", *(f"--{option}={path}" for option, path in files.items())
        )
        self.wait(lambda: files["socket"].exists(), "munged")
        self.run("slurmctld", "-D", "-f", str(configuration))
        self.run("slurmd", "-D", "-f", str(configuration))
        self.wait(lambda: "idle" in self.said("sinfo", "--noheader", "--format=%T"), "the node")

    def run(self, name: str, *arguments: str) -> None:
        """Start a daemon as a child of this process."""
        path = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
        with (self.folder / f"{name}.out").open("wb") as out:
            self.daemons.append(
                subprocess.Popen([str(path), *arguments], stdout=out, stderr=out, start_new_session=True)
            )

    def wait(self, condition, what: str, seconds: float = 60.0) -> None:
        """Until something is so."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                told = "\n".join(path.read_text()[-2000:] for path in self.folder.glob("*.log"))
                pytest.fail(f"waited {seconds:.0f} s for {what}\n{told}")
            time.sleep(0.1)

    def said(self, *command: str) -> str:
        """What a command prints, whether it succeeds or not."""
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout

    def queue(self) -> dict[str, str]:
        """State of every job that waits or runs, by `JOB_N`."""
        told = self.said("squeue", "--noheader", "--array", "--format=%F_%K %T")
        return dict(line.split() for line in told.splitlines())

    def process(self, folder: Path, number: int) -> int | None:
        """The process of a task that works for a results folder."""
        for process in Path("/proc").iterdir():
            if process.name.isdecimal():
                try:
                    words = (process / "cmdline").read_bytes().split(b"\0")
                    about = (process / "environ").read_bytes().split(b"\0")
                except OSError:
                    continue
                if str(folder).encode() in words and f"SLURM_ARRAY_TASK_ID={number}".encode() in about:
                    return int(process.name)
        return None

    def kill(self, folder: Path, number: int, other_than: int | None = None) -> int:
        """Send SIGKILL to the process of a task, as soon as there is one."""
        self.wait(lambda: self.process(folder, number) not in (None, other_than), f"task {number}")
        found = self.process(folder, number)
        assert found is not None
        os.kill(found, signal.SIGKILL)
        return found

    def stop(self) -> None:
        """End all jobs, then the daemons."""
        self.said("scancel", "--user", getpass.getuser())
        deadline = time.monotonic() + 40
        while self.queue() and time.monotonic() < deadline:
            time.sleep(0.2)
        for daemon in reversed(self.daemons):
            daemon.terminate()
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
