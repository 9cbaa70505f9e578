using Microsoft.Extensions.Logging;

namespace FineMixing.Torch.FineTuning;

/// <summary>The snapshot of one training run.</summary>
internal sealed class RunSnapshot(TrainingSnapshots options, string key, ILogger? logger)
{
    private readonly string _path = Path.Combine(options.Folder, key[..16] + TrainingSnapshots.Extension);
    private readonly long _start = Environment.TickCount64;
    private long _last = Environment.TickCount64;
    private bool _restored;
    private bool _said;

    /// <summary>Restores the state of an earlier, stopped run.</summary>
    public bool TryRestore(Action<IStateTransfer> describe)
    {
        if (!SnapshotFile.TryRead(_path, key, describe))
            return false;
        _last = Environment.TickCount64;
        _restored = true;
        return true;
    }

    /// <summary>Says where the run goes on.</summary>
    public void SayWhere(int done, int total)
    {
        if (done == total)
            logger?.LogInformation("All {Total} steps were done by an earlier run.", total);
        else
            logger?.LogInformation("Going on at step {Step} of {Total}, from a snapshot of an earlier run.", done + 1, total);
    }

    /// <summary>Saves the state when the interval is over. A snapshot that cannot be written is no reason to stop training.</summary>
    public void SaveIfDue(Action<IStateTransfer> describe)
    {
        if (Environment.TickCount64 - _last < options.Interval.TotalMilliseconds)
            return;
        Save(describe);
        _last = Environment.TickCount64;
    }

    /// <summary>The run is being stopped: what was done since the last snapshot is kept as well, unless the run was shorter than the interval.</summary>
    public void Stop(Action<IStateTransfer> describe)
    {
        if (IsLong)
            Save(describe);
    }

    /// <summary>The run has ended: nothing to go on with, or, when finished runs are kept, its end.</summary>
    public void Finish(Action<IStateTransfer> describe)
    {
        if (options.KeepFinished)
        {
            if (IsLong)
                Save(describe);
            return;
        }

        try
        {
            options.Remove(_path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            logger?.LogInformation("The snapshot '{Path}' could not be removed: {Reason}", _path, error.Message);
        }
    }

    private bool IsLong => _restored || Environment.TickCount64 - _start >= options.Interval.TotalMilliseconds;

    private void Save(Action<IStateTransfer> describe)
    {
        try
        {
            SnapshotFile.Write(_path, key, describe);
            Say($"Training is saved in '{options.Folder}' from time to time; started again with the same options, it goes on from there.");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            Say($"Training goes on without a snapshot: {error.Message}");
        }
    }

    private void Say(string note)
    {
        if (!_said)
            logger?.LogInformation("{Note}", note);
        _said = true;
    }
}
