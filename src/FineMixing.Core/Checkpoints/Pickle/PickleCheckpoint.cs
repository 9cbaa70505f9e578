namespace FineMixing.Checkpoints.Pickle;

internal static class PickleCheckpoint
{
    public static ICheckpoint Open(string path) => throw new CheckpointFormatException("PyTorch files cannot be read; convert the checkpoint to safetensors", path);
}
