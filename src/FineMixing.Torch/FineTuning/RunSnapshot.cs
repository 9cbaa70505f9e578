using Microsoft.Extensions.Logging;

namespace FineMixing.Torch.FineTuning;

/// <summary>The snapshot of one training run.</summary>
internal sealed class RunSnapshot(TrainingSnapshots options, string key, ILogger? logger)
{
    private readonly string _path = Path.Combine(options.Folder, $"{key[..16]}.snapshot");
    private long _last = Environment.TickCount64;
    private bool _said;

    /// <summary>Restores the state of an earlier, stopped run.</summary>
    public bool TryRestore(Action<IStateTransfer> describe)
    {
        if (!SnapshotFile.TryRead(_path, key, describe))
            return false;
        _last = Environment.TickCount64;
        return true;
    }

    /// <summary>Says where the run goes on.</summary>
    public void SayWhere(int step, int total) => logger?.LogInformation("Going on at step {Step} of {Total}, from a snapshot of an earlier run.", step + 1, total);

    /// <summary>Saves the state when the interval is over. A snapshot that cannot be written is no reason to stop training.</summary>
    public void SaveIfDue(Action<IStateTransfer> describe)
    {
        if (Environment.TickCount64 - _last < options.Interval.TotalMilliseconds)
            return;
        try
        {
            SnapshotFile.Write(_path, key, describe);
            Say($"Training is saved in '{options.Folder}' from time to time; started again with the same options, it goes on from there.");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            Say($"Training goes on without a snapshot: {error.Message}");
        }

        _last = Environment.TickCount64;
    }

    /// <summary>The run has ended: nothing to go on with.</summary>
    public void Remove()
    {
        if (!Directory.Exists(options.Folder))
            return;
        File.Delete(_path);
        if (!Directory.EnumerateFileSystemEntries(options.Folder).Any())
            Directory.Delete(options.Folder);
    }

    private void Say(string note)
    {
        if (!_said)
            logger?.LogInformation("{Note}", note);
        _said = true;
    }
}
