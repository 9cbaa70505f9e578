using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;

namespace FineMixing.Pipelines;

/// <summary>Runs independent jobs on a few threads of their own, results in the order of the jobs.</summary>
public static class SideBySide
{
    /// <summary>How to share threads among independent fine-tunings: as many side by side as there are threads, and the threads among them.</summary>
    /// <remarks>
    /// The one rule for grids over seeds and ratios: a step of a small run is hundreds of short operations,
    /// and several threads in one run spend a part of each of them waiting for each other; a run of its own on each thread does not.
    /// </remarks>
    /// <param name="threads">Threads to use in all, at least 1.</param>
    /// <param name="jobs">Independent runs.</param>
    public static (int Workers, int ThreadsPerJob) Split(int threads, int jobs)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        var workers = Math.Clamp(jobs, 1, threads);
        return (workers, threads / workers);
    }

    /// <summary>Runs all jobs.</summary>
    /// <param name="jobs">The inputs.</param>
    /// <param name="workers">Threads, at least 1.</param>
    /// <param name="run">The work; must not share state that changes.</param>
    /// <param name="cancellationToken">No further job starts once cancelled.</param>
    /// <exception cref="Exception">The first failure, by order of the jobs; jobs not yet started are left out.</exception>
    public static TResult[] Run<TJob, TResult>(IReadOnlyList<TJob> jobs, int workers, Func<TJob, TResult> run, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(jobs);
        ArgumentNullException.ThrowIfNull(run);
        ArgumentOutOfRangeException.ThrowIfLessThan(workers, 1);
        var results = new TResult[jobs.Count];
        var failures = new ConcurrentDictionary<int, Exception>();
        var next = -1;
        void Work()
        {
            while (failures.IsEmpty && !cancellationToken.IsCancellationRequested)
            {
                var index = Interlocked.Increment(ref next);
                if (index >= jobs.Count)
                    return;
                try
                {
                    results[index] = run(jobs[index]);
                }
                catch (Exception e)
                {
                    failures[index] = e;
                }
            }
        }

        var threads = Enumerable.Range(0, Math.Min(workers, jobs.Count)).Select(_ => new Thread(Work, 16 << 20) { IsBackground = true }).ToArray();
        foreach (var thread in threads)
            thread.Start();
        foreach (var thread in threads)
            thread.Join();
        if (!failures.IsEmpty)
            ExceptionDispatchInfo.Throw(failures.MinBy(f => f.Key).Value);
        cancellationToken.ThrowIfCancellationRequested();
        return results;
    }
}
