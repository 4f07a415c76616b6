"""A private Slurm of one node with made-up GPUs, for the time of a test.

The daemons are those of Debian's slurm-wlm and munge; there is no accounting database. A job
loses SLURM_CONF on its way, so the configuration has to lie at the standard place: a machine
that has one there is left alone.
"""

import os
import shutil
import socket
import stat
import subprocess
import time
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path

ETC, MUNGE = Path("/etc/slurm"), Path("/run/munge")
PROGRAMS = ("sbatch", "srun", "sinfo", "slurmctld", "slurmd", "munged", "munge")
GPUS = 2

CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}
AuthType=auth/munge
SlurmUser=root
SlurmdUser=root
SlurmctldPort={controller}
SlurmdPort={node}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MinJobAge=3600
GresTypes=gpu
NodeName={host} CPUs={cores} RealMemory=64000 Gres=gpu:fake:{gpus} State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def why_not():
    """Say what keeps this machine from running the test; empty if nothing does."""
    missing = [program for program in PROGRAMS if shutil.which(program, path=_path()) is None]
    if missing:
        return f"no {', '.join(missing)}: apt-get install slurm-wlm munge"
    if find_spec("snakemake_executor_plugin_slurm") is None:
        return "no snakemake-executor-plugin-slurm"
    if os.getuid() != 0:
        return "Slurm's daemons need root"
    if (ETC / "slurm.conf").exists():
        return f"{ETC}/slurm.conf belongs to another Slurm"
    return ""


@contextmanager
def slurm(folder):
    """Run the cluster with its state in `folder`; end its daemons afterwards."""
    with ExitStack() as stack:
        if _munge_fails():
            MUNGE.mkdir(exist_ok=True)
            shutil.chown(MUNGE, "munge", "munge")
            stack.enter_context(_daemon(["munged", "--foreground"], folder, user="munge"))
            _wait("munged", lambda: not _munge_fails())
        for name in ("state", "spool"):
            (folder / name).mkdir()
        host = socket.gethostname().split(".")[0]
        _write(stack, "slurm.conf", _configuration(folder, host))
        _write(stack, "gres.conf", "".join(_made_up_gpu(folder, host, i) for i in range(GPUS)))
        stack.enter_context(_daemon(["slurmctld", "-D"], folder))
        stack.enter_context(_daemon(["slurmd", "-D", "-N", host], folder))
        _wait("a node of Slurm", lambda: "idle" in _output("sinfo", "-h", "-o", "%T"))
        yield


def _configuration(folder, host):
    with socket.socket() as one, socket.socket() as two:
        for free in (one, two):
            free.bind(("", 0))
        controller, node = one.getsockname()[1], two.getsockname()[1]
    return CONFIGURATION.format(
        host=host,
        controller=controller,
        node=node,
        folder=folder,
        cores=os.cpu_count(),
        gpus=GPUS,
    )


def _made_up_gpu(folder, host, index):
    """Make a device file as /dev/null is one: Slurm hands out nothing else."""
    file = folder / f"gpu{index}"
    os.mknod(file, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    return f"NodeName={host} Name=gpu Type=fake File={file} Flags=nvidia_gpu_env\n"


def _write(stack, name, text):
    stack.callback((ETC / name).unlink, missing_ok=True)
    (ETC / name).write_text(text)


@contextmanager
def _daemon(command, folder, user=None):
    log = folder / f"{command[0]}.out"
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, "PATH": _path()},
            user=user,
            group=user,
            start_new_session=True,
        )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(name, ready, seconds=30):
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            raise TimeoutError(f"{name} is not there after {seconds} s")
        time.sleep(0.2)


def _munge_fails():
    return subprocess.run(["munge", "-n"], capture_output=True, check=False).returncode != 0


def _output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def _path():
    """Where daemons lie, which a user's search path may leave out."""
    return os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
