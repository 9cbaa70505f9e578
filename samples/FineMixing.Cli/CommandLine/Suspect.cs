using FineMixing.Checkpoints;
using FineMixing.Checkpoints.Adapters;
using FineMixing.Cli.Terminal;

namespace FineMixing.Cli.CommandLine;

/// <summary>The model a command works on: a folder, or a folder with a LoRA adapter on it.</summary>
internal static class Suspect
{
    public static ICheckpoint Open(string folder, string? adapter)
    {
        var model = Checkpoint.Open(folder, NoteLogger.Instance);
        if (adapter is null)
            return model;
        try
        {
            return LoraCheckpoint.Open(model, adapter);
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }
}
