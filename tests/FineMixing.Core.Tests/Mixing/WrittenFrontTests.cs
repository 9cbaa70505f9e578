using FineMixing.Mixing;

namespace FineMixing.Tests.Mixing;

public class WrittenFrontTests
{
    [Fact]
    public void Add_PartsOutOfOrder_MovesOverWhatIsWithoutGaps()
    {
        var front = new WrittenFront(100);
        Assert.Equal(100, front.Add(150, 200));
        Assert.Equal(100, front.Add(250, 300));
        Assert.Equal(200, front.Add(100, 150));
        Assert.Equal(300, front.Add(200, 250));
    }
}
