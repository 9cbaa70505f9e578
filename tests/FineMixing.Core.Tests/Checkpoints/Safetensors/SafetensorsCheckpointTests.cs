using FineMixing.Checkpoints;

namespace FineMixing.Tests.Checkpoints.Safetensors;

public class SafetensorsCheckpointTests
{
    [Fact]
    public void Open_ShardsOfTheReference_EqualTheSingleFile()
    {
        using var single = Checkpoint.Open(SharedData.Path("oracle", "models", "bert"));
        using var sharded = Checkpoint.Open(SharedData.Path("oracle", "sharded"));
        StateDicts.AssertEqual(single, sharded);
        Assert.Equal(4, sharded.Files.Count);
    }
}
