"""The limit of open files, which a shell sets lower than the connections that we allow."""

import resource

from mssgw.app.descriptors import OPEN_FILES, allow_open_files


def test_the_daemon_allows_itself_as_many_open_files_as_it_may():
    before = soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 512), hard))
    try:
        allow_open_files()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (min(hard, OPEN_FILES), hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_limit_that_is_high_already_stays():
    before = _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    high = min(hard, OPEN_FILES + 1)
    resource.setrlimit(resource.RLIMIT_NOFILE, (high, hard))
    try:
        allow_open_files()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (high, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
