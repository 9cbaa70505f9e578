namespace FineMixing.Checkpoints;

/// <summary>Keeps a stranger's folder from making us read elsewhere through a symbolic link.</summary>
internal static class FolderLinks
{
    /// <summary>The full path of a file in a folder, where a link may only lead to a neighbour.</summary>
    /// <param name="folder">Full path.</param>
    /// <param name="name">A bare file name.</param>
    /// <exception cref="CheckpointFormatException">The file is a link out of the folder.</exception>
    /// <exception cref="FileNotFoundException">It does not exist.</exception>
    public static string Follow(string folder, string name)
    {
        var path = Path.Combine(folder, name);
        if (new FileInfo(path).LinkTarget is not null)
        {
            // The folder may be a link itself; where a file's link leads is relative to the folder it lies in.
            folder = new DirectoryInfo(folder).ResolveLinkTarget(returnFinalTarget: true)?.FullName ?? folder;
            var info = new FileInfo(Path.Combine(folder, name));
            var target = info.ResolveLinkTarget(returnFinalTarget: true)!;
            if (!IsAllowed(folder, Path.GetDirectoryName(target.FullName)))
                throw new CheckpointFormatException($"'{name}' is a link out of the folder; copy the checkpoint with its links followed", path);
        }

        return File.Exists(path) ? path : throw new FileNotFoundException($"'{path}' is missing.", path);
    }

    // The Hugging Face cache keeps a model's files in MODEL/blobs and shows them as links in MODEL/snapshots/REVISION: same model, same origin.
    private static bool IsAllowed(string folder, string? targetFolder)
    {
        if (targetFolder == folder)
            return true;
        var snapshots = Path.GetDirectoryName(folder);
        return Path.GetFileName(snapshots) == "snapshots" && targetFolder == Path.Combine(Path.GetDirectoryName(snapshots)!, "blobs");
    }
}
