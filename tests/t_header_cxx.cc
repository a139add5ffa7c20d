/* t_header_cxx.cc: the header in a C++17 program: lambdas as tasks, commas in the macros'
 * arguments, groups and scopes as members, and names that say where a task came from.
 */
#include "tap.h"

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "reeve.h"

namespace
{

struct point {
    int x, y;
};

template <typename A, typename B> int add(void *arg)
{
    auto *sum = static_cast<int *>(arg);

    *sum += static_cast<int>(sizeof(A) + sizeof(B));
    return 0;
}

/* A group that closes itself; what it is for is that the storage works as a member. */
class tasks
{
  public:
    explicit tasks(rv_time deadline = RV_NEVER)
    {
        rv_group_open(&group_, deadline);
    }
    tasks(const tasks &) = delete;
    tasks &operator=(const tasks &) = delete;

    ~tasks()
    {
        if (open_)
            (void)!rv_group_close(&group_, -ECANCELED);
    }
    int join(int result = 0)
    {
        open_ = false;
        return rv_group_close(&group_, result);
    }
    rv_group *operator&()
    {
        return &group_;
    }

  private:
    rv_group group_;
    bool open_ = true;
};

int run(const std::function<int()> &body)
{
    auto enter = [](void *arg) { return (*static_cast<const std::function<int()> *>(arg))(); };

    return rv_run(enter, const_cast<std::function<int()> *>(&body), nullptr);
}

} // namespace

TEST(a_lambda_without_captures_is_a_task)
{
    int got = run([] {
        int ran = 0;
        tasks g;

        rv_go(
            &g,
            [](void *arg) {
                ++*static_cast<int *>(arg);
                return rv_yield();
            },
            &ran);
        return g.join() == 0 ? ran : -EIO;
    });

    CHECK_EQ(got, 1);
}

TEST(commas_in_the_arguments_of_the_macros_are_not_misread)
{
    int got = run([] {
        int ran = 0;
        tasks g;
        rv_fn *fn = add<int, char>;

        rv_go(&g, fn, std::array<int *, 2>{&ran, &ran}[0]);
        rv_go_copy(
            &g, [](void *p) { return static_cast<point *>(p)->y - 2; },
            std::array<point, 2>{point{1, 2}, point{3, 4}}.data(), sizeof(point));
        CHECK_EQ(rv_try_go(&g, fn, std::pair<int, int *>(0, &ran).second), 0);
        CHECK_EQ((rv_try_go_copy(
                     &g, [](void *) { return 0; }, std::pair<int, int *>{}.second, 0)),
                 0);
        /* commas in the function itself need parentheses, as in any macro */
        rv_go(&g, (add<short, short>), &ran);
        rv_go(&g, ([](void *arg) {
            point a{1, 2}, b{3, 4};
            *static_cast<int *>(arg) += a.x + a.y + b.x + b.y;
            return 0;
        }),
              &ran);
        return g.join() == 0 ? ran : -EIO;
    });

    CHECK_EQ(got, 5 + 5 + 4 + 10);
}

TEST(objects_live_on_a_task_s_stack_and_are_destroyed_at_its_end)
{
    static int alive;
    struct counted {
        counted()
        {
            alive++;
        }
        ~counted()
        {
            alive--;
        }
    };

    int got = run([] {
        tasks g;

        for (int i = 0; i < 20; i++)
            rv_go(
                &g,
                [](void *) {
                    std::vector<std::unique_ptr<counted>> some;
                    std::string name = "a string that is too long to be kept inside";

                    for (int n = 0; n < 5; n++) {
                        some.push_back(std::make_unique<counted>());
                        if (rv_yield() < 0)
                            return -ECANCELED;
                    }
                    return name.size() == 43 ? 0 : -EIO;
                },
                nullptr);
        return g.join();
    });

    CHECK_EQ(got, 0);
    CHECK_EQ(alive, 0);
}

TEST(an_exception_may_be_thrown_and_caught_within_a_task)
{
    int got = run([] {
        tasks g;

        for (int i = 0; i < 10; i++)
            rv_go(
                &g,
                [](void *) {
                    int sum = 0;

                    for (int n = 0; n < 5; n++) {
                        try {
                            throw n;
                        } catch (int caught) {
                            sum += caught;
                        }
                        if (rv_yield() < 0)
                            return -ECANCELED;
                    }
                    return sum == 10 ? 0 : -EIO;
                },
                nullptr);
        return g.join();
    });

    CHECK_EQ(got, 0);
}

TEST(a_scope_s_times_are_constants_of_cxx_too)
{
    static_assert(RV_S == 1000 * RV_MS && RV_MS == 1000 * RV_US && RV_NEVER == INT64_MAX);
    int got = run([] {
        rv_scope s{};

        rv_scope_open(&s, rv_after(RV_MS));
        return rv_scope_close(&s, rv_sleep(10 * RV_S));
    });

    CHECK_EQ(got, -ETIMEDOUT);
}

TEST(options_may_be_filled_in_field_by_field)
{
    rv_options options{};

    options.stack_bytes = 128 * 1024;
    options.tasks_max = 1;
    int got = rv_run(
        [](void *) {
            tasks g;
            return rv_try_go(
                &g, [](void *) { return 0; }, nullptr);
        },
        nullptr, &options);

    CHECK_EQ(got, -EAGAIN);
}

TEST_DIES(a_task_made_of_a_lambda_is_known_by_its_file_and_line, "tests/t_header_cxx.cc:")
{
    run([] {
        tasks g;
        rv_go(
            &g,
            [](void *) {
                rv_scope s;
                rv_scope_open(&s, RV_NEVER);
                return 0;
            },
            nullptr);
        return g.join();
    });
}
