/* t_exceptions.cc: C++ exceptions in tasks: thrown, caught, rethrown, and waited with inside catch
 * blocks, where the language's runtime keeps state for the thread that must be the task's.
 */
#include "tap.h"

#include <exception>
#include <memory>
#include <stdexcept>
#include <string>

#include "reeve.h"

namespace
{

int throw_and_catch(void *arg)
{
    int number = *static_cast<int *>(arg);

    for (int i = 0; i < 20; i++) {
        try {
            if (rv_yield() < 0)
                return -ECANCELED;
            throw std::runtime_error(std::to_string(number));
        } catch (const std::runtime_error &e) {
            CHECK(std::stoi(e.what()) == number);
        }
        CHECK(std::uncaught_exceptions() == 0);
    }
    return 0;
}

int many_throw(void *)
{
    rv_group g;

    rv_group_open(&g, RV_NEVER);
    for (int i = 0; i < 50; i++)
        rv_go_copy(&g, throw_and_catch, &i, sizeof i);
    return rv_group_close(&g, 0);
}

TEST(an_exception_thrown_in_a_task_is_caught_in_it)
{
    CHECK_EQ(rv_run(many_throw, nullptr, nullptr), 0);
}

/* Each waits in its catch block for a time of its own, so that they leave in another order than
 * they entered; then looks at its exception, and throws it again. */
int wait_in_catch(void *arg)
{
    int number = *static_cast<int *>(arg);
    bool again = false;

    try {
        try {
            throw std::runtime_error(std::to_string(number));
        } catch (const std::runtime_error &e) {
            CHECK_EQ(rv_sleep((1 + number * 7 % 5) * RV_MS), 0);
            CHECK(std::stoi(e.what()) == number);
            throw;
        }
    } catch (const std::exception &e) {
        again = std::stoi(e.what()) == number;
    }
    CHECK(again);
    return 0;
}

int many_wait_in_catch(void *)
{
    rv_group g;

    rv_group_open(&g, RV_NEVER);
    for (int i = 0; i < 20; i++)
        rv_go_copy(&g, wait_in_catch, &i, sizeof i);
    return rv_group_close(&g, 0);
}

TEST(hazard_10_a_task_that_waits_in_a_catch_block_rethrows_its_own_exception)
{
    CHECK_EQ(rv_run(many_wait_in_catch, nullptr, nullptr), 0);
}

int current_while_waiting(void *arg)
{
    int number = *static_cast<int *>(arg);

    CHECK(!std::current_exception());
    try {
        throw number;
    } catch (int mine) {
        CHECK(mine == number);
        for (int i = 0; i < 10; i++) {
            CHECK_EQ(rv_yield(), 0);
            try {
                std::rethrow_exception(std::current_exception());
            } catch (int current) {
                CHECK(current == number);
            }
        }
    }
    CHECK(!std::current_exception());
    return 0;
}

int many_current(void *)
{
    rv_group g;

    rv_group_open(&g, RV_NEVER);
    for (int i = 0; i < 20; i++)
        rv_go_copy(&g, current_while_waiting, &i, sizeof i);
    return rv_group_close(&g, 0);
}

TEST(hazard_10_the_current_exception_is_the_tasks_own)
{
    CHECK_EQ(rv_run(many_current, nullptr, nullptr), 0);
}

/* A destructor that waits while an exception is on its way. */
struct Waits {
    int before;

    ~Waits()
    {
        CHECK(std::uncaught_exceptions() == 1);
        CHECK(rv_yield() == 0);
        CHECK(std::uncaught_exceptions() == 1);
    }
};

int wait_in_destructor(void *arg)
{
    try {
        Waits w{0};
        throw *static_cast<int *>(arg);
    } catch (int) {
        CHECK(std::uncaught_exceptions() == 0);
    }
    return 0;
}

int no_exception_here(void *)
{
    for (int i = 0; i < 10; i++) {
        CHECK(std::uncaught_exceptions() == 0);
        CHECK(!std::current_exception());
        CHECK_EQ(rv_yield(), 0);
    }
    return 0;
}

int destructors(void *)
{
    rv_group g;

    rv_group_open(&g, RV_NEVER);
    for (int i = 0; i < 20; i++) {
        rv_go_copy(&g, wait_in_destructor, &i, sizeof i);
        rv_go(&g, no_exception_here, nullptr);
    }
    return rv_group_close(&g, 0);
}

TEST(hazard_10_an_exception_on_its_way_in_one_task_is_not_seen_by_another)
{
    CHECK_EQ(rv_run(destructors, nullptr, nullptr), 0);
}

/* Spawned inside a catch block: the child starts with none. */
int spawns_in_catch(void *)
{
    rv_group g;
    int err = 0;

    try {
        throw 1;
    } catch (int) {
        rv_group_open(&g, RV_NEVER);
        for (int i = 0; i < 5; i++)
            rv_go(&g, no_exception_here, nullptr);
        err = rv_group_close(&g, 0);
        CHECK(std::current_exception());
    }
    CHECK(!std::current_exception());
    return err;
}

TEST(hazard_10_a_task_spawned_in_a_catch_block_starts_without_an_exception)
{
    CHECK_EQ(rv_run(spawns_in_catch, nullptr, nullptr), 0);
}

TEST(hazard_10_the_threads_own_exception_is_there_again_after_the_run)
{
    try {
        throw std::string("outside");
    } catch (const std::string &) {
        CHECK_EQ(rv_run(many_wait_in_catch, nullptr, nullptr), 0);
        CHECK_EQ(rv_run(no_exception_here, nullptr, nullptr), 0);
        try {
            throw;
        } catch (const std::string &s) {
            CHECK(s == "outside");
        }
    }
    CHECK(!std::current_exception());
}

int lets_it_out(void *)
{
    throw std::runtime_error("nobody catches it");
}

TEST_DIES(an_exception_that_nobody_catches_ends_the_program_and_not_the_task, "nobody catches it")
{
    CHECK_EQ(rv_run(lets_it_out, nullptr, nullptr), 0);
}

} // namespace
