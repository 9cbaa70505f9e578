using System.Runtime.ExceptionServices;

namespace FineMixing.Mixing;

/// <summary>Runs a lazy sequence of work items on a fixed number of threads; the first failure stops all and is thrown as it was.</summary>
internal static class WorkerThreads
{
    public static void Run<T>(IEnumerable<T> items, int threads, Action<T> body, CancellationToken ct)
    {
        var failure = default(ExceptionDispatchInfo);
        using var source = items.GetEnumerator();
        var gate = new object();
        void Work()
        {
            try
            {
                while (Volatile.Read(ref failure) is null)
                {
                    ct.ThrowIfCancellationRequested();
                    T item;
                    lock (gate)
                    {
                        if (!source.MoveNext())
                            return;
                        item = source.Current;
                    }

                    body(item);
                }
            }
            catch (Exception e)
            {
                Interlocked.CompareExchange(ref failure, ExceptionDispatchInfo.Capture(e), null);
            }
        }

        // The calling thread works too: with one thread nothing is handed over.
        var helpers = new Thread[Math.Max(0, threads - 1)];
        for (var i = 0; i < helpers.Length; i++)
        {
            helpers[i] = new Thread(Work) { IsBackground = true, Name = "mixing" };
            helpers[i].Start();
        }

        Work();
        foreach (var helper in helpers)
            helper.Join();
        failure?.Throw();
    }
}
