using Microsoft.Extensions.Logging;

namespace FineMixing.Torch.FineTuning;

/// <summary>Keeps the state of long training runs on disk, so that one that was stopped goes on where it was: same data, options and start give the same weights, bit for bit, as without the stop.</summary>
/// <remarks>
/// A snapshot holds weights, moments and counters in single precision (three times the size of the weights, plus the vocabulary's). It belongs to one run: other data, options or start weights do not
/// find it and begin anew. It is removed when the run ends; with <see cref="KeepFinished"/> the caller removes it.
/// </remarks>
/// <param name="Folder">Where snapshots go; created with the first one.</param>
/// <param name="Interval">Time between two snapshots; zero writes one after every step. Shorter runs write none.</param>
/// <exception cref="ArgumentException">No folder, or a negative interval.</exception>
public sealed record TrainingSnapshots(string Folder, TimeSpan Interval)
{
    /// <summary>Where snapshots go; created with the first one.</summary>
    public string Folder { get; init; } = !string.IsNullOrWhiteSpace(Folder) ? Folder : throw new ArgumentException("The folder of training snapshots is empty; expected a path.", nameof(Folder));

    /// <summary>Time between two snapshots; zero writes one after every step.</summary>
    public TimeSpan Interval { get; init; } = Interval >= TimeSpan.Zero ? Interval : throw new ArgumentException(FormattableString.Invariant($"The interval of training snapshots is {Interval}; expected zero or more."), nameof(Interval));

    /// <summary>Every two minutes.</summary>
    /// <param name="folder">Where snapshots go; created with the first one.</param>
    public TrainingSnapshots(string folder)
        : this(folder, TimeSpan.FromMinutes(2))
    {
    }

    /// <summary>Keeps the end of each run that took longer than <see cref="Interval"/>, so that work of several runs, stopped in a later one, does not repeat the earlier ones; ends with <see cref="Remove()"/>.</summary>
    public bool KeepFinished { get; init; }

    /// <summary>Removes all snapshots in the folder, also those half written by a process that was killed, and the folder when nothing else is in it.</summary>
    public void Remove()
    {
        if (!Directory.Exists(Folder))
            return;
        foreach (var path in (string[])[.. Directory.GetFiles(Folder, "*" + Extension), .. Directory.GetFiles(Folder, "*" + Extension + ".tmp")])
            Remove(path);
    }

    internal const string Extension = ".snapshot";

    internal void Remove(string path)
    {
        if (!File.Exists(path))
            return;
        File.Delete(path);
        try
        {
            if (!Directory.EnumerateFileSystemEntries(Folder).Any())
                Directory.Delete(Folder);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // Another run has just written there or removed it, or it is a mount: an empty folder does no harm.
        }
    }

    /// <summary>The snapshot of one run.</summary>
    internal RunSnapshot For(string key, ILogger? logger) => new(this, key, logger);
}
