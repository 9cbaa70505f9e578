using System.Collections.Concurrent;

namespace FineMixing.Torch.FineTuning;

/// <summary>A thread that lives as long as a training run: libtorch keeps state for each thread it has seen, so a new one for every step would be slow.</summary>
internal sealed class TorchWorker : IDisposable
{
    private const int StackBytes = 16 << 20;
    private readonly BlockingCollection<Action> _jobs = [];
    private readonly Thread _thread;

    public TorchWorker()
    {
        _thread = new Thread(Work, StackBytes) { IsBackground = true, Name = "FineMixing training" };
        _thread.Start();
    }

    /// <summary>Starts a computation; the task ends with its value or with what it threw.</summary>
    public Task<double> Start(Func<double> compute)
    {
        var result = new TaskCompletionSource<double>(TaskCreationOptions.RunContinuationsAsynchronously);
        _jobs.Add(() =>
        {
            try
            {
                result.SetResult(compute());
            }
            catch (Exception e)
            {
                result.SetException(e);
            }
        });
        return result.Task;
    }

    public void Dispose()
    {
        _jobs.CompleteAdding();
        _thread.Join();
        _jobs.Dispose();
    }

    private void Work()
    {
        foreach (var job in _jobs.GetConsumingEnumerable())
            job();
    }
}
