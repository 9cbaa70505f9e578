using FineMixing.Checkpoints;

namespace FineMixing.Mixing;

/// <summary>The checkpoints of a call, opened and closed together.</summary>
internal sealed class OpenedModels : IDisposable
{
    private readonly List<ICheckpoint> _models = [];

    public OpenedModels(string[] paths)
    {
        // The suspect here, the others meanwhile; the first that cannot be opened is told.
        var others = paths[1..].Select(path => Task.Run(() => Checkpoint.Open(path))).ToArray();
        try
        {
            _models.Add(Checkpoint.Open(paths[0]));
            foreach (var other in others)
                _models.Add(other.GetAwaiter().GetResult());
        }
        catch
        {
            foreach (var other in others)
                other.ContinueWith(t => t.Result.Dispose(), CancellationToken.None, TaskContinuationOptions.OnlyOnRanToCompletion, TaskScheduler.Default);
            Dispose();
            throw;
        }
    }

    public ICheckpoint Suspect => _models[0];

    public ICheckpoint Base => _models[1];

    public IReadOnlyList<ICheckpoint> Others => _models[2..];

    public void Dispose() => _models.ForEach(m => m.Dispose());
}
